"""The recipe of one cell."""

from skipray.spec import depth_rules, recipes
from skipray.spec.fields import Recipe
from skipray.spec.reading.cells import WrittenCell
from skipray.spec.reading.mistakes import Mistakes
from skipray.spec.reading.parts import add_wrong_rules, validate_part


def read_recipe(cell: WrittenCell, mistakes: Mistakes) -> Recipe | None:
    """The recipe; None where it is wrong, which has been said then."""
    data = cell.file.recipe | {k: v for k, v in cell.values.items() if k in Recipe.model_fields}
    data, unruly = depth_rules.resolved("recipe", data, cell.values.get("depth", cell.file.model.get("depth")))
    if add_wrong_rules(unruly, cell, "recipe", mistakes):
        return None
    recipe = validate_part(Recipe, data, cell, "recipe", mistakes)
    if recipe is None:
        return None
    wrong = [*recipes.mistakes(recipe), *recipes.mistakes_on(recipe, cell.file.resources.device)]
    for key, found in wrong:
        mistakes.add(cell.place(key, cell.values.get(key, data.get(key)), "recipe"), found)
    return None if wrong else recipes.read_fields(recipe)
