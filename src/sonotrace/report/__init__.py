"""The page of results, `reports/index.html`: where the models fail, how good they are, and where each number is from.

`gather` and `gather_scope` pick what the page shows of one data set, with its pictures, into one file (`gathered`).
The stage `report` brings these together with metrics and plots (`facts`) and writes the page. Model card and
checklists (`export`) are made of the same facts.
"""

LIMITS = "Research software, not a medical device: not for diagnosis or any clinical decision."
