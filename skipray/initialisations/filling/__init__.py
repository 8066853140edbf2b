"""What schemes fill weights with (`scheme`), and which parameters of a network they reach (`reach`)."""
