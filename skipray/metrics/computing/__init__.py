"""What several metrics share: spectra side by side, a tensor's entries, a trained network; nothing here is a metric."""
