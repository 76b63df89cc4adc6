"""How good a model is: scores, their intervals, and the files and tables that hold them."""
