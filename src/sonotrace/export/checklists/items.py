"""What two reporting guidelines ask for, in our words, by item number; the guidelines themselves are binding.

CLAIM 2024: Tejani et al. (2024), Radiology: Artificial Intelligence 6(4), e240300. TRIPOD+AI: Collins et al. (2024),
BMJ 385, e078378; its items for abstracts are not here.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Item:
    """One item of a guideline."""

    number: str
    asks: str
    answers: tuple[str, ...] = ()
    """Which of the pipeline's answers belong here (`checklist`); none where only the author can write it."""
    missing: str = ""
    """What the author has to add to the pipeline's answer."""


CLAIM = (
    Item("1", "Title: say that it is about AI, and which kind", ("method",), "the title"),
    Item("2", "Abstract: design, methods, results and conclusions in a structured summary"),
    Item("3", "Scientific and clinical background, and the role that the AI is meant to have"),
    Item("4", "Aims and hypotheses"),
    Item("5", "Prospective or retrospective"),
    Item("6", "Goal of the study, such as a feasibility study or a comparison"),
    Item("7", "Where the data are from", ("sources",), "who collected them, when, and with which approval"),
    Item(
        "8", "Which cases were included and which not", ("exclusions",), "criteria applied before the snapshot was made"
    ),
    Item("9", "What was done to the images before the model saw them", ("preparation",)),
    Item("10", "Which part of the data or of an image was used", ("exclusions",), "why, if a part was chosen by hand"),
    Item("11", "How data were de-identified", ("privacy",), "what was done before the snapshot was made"),
    Item("12", "How missing data were handled", ("missing",)),
    Item("13", "How the images were acquired", ("scanners",), "protocol, settings and operators"),
    Item("14", "How the reference standard is defined", ("labels",), "definition and instructions to readers"),
    Item("15", "Why this reference standard"),
    Item("16", "Who made the annotations, with which training"),
    Item("17", "How the test set was annotated"),
    Item("18", "Agreement between and within readers"),
    Item("19", "How data were assigned to training, validation and test", ("split",)),
    Item("20", "On which level the partitions are apart", ("apart",)),
    Item("21", "Intended size of the test set, and how it was found", ("tested",), "the reasoning behind it"),
    Item("22", "The model in detail: input, output, layers", ("model",), "the layers"),
    Item("23", "Software and versions", ("software",)),
    Item("24", "How parameters began", ("beginning",)),
    Item("25", "How it was trained: augmentation, hyperparameters", ("training",)),
    Item("26", "How the final model was chosen", ("choice",)),
    Item("27", "Ensembling, if any", ("ensemble",)),
    Item("28", "Which metrics, and why", ("metrics",), "why these"),
    Item("29", "How significance and uncertainty were measured", ("intervals",)),
    Item("30", "Robustness or sensitivity", ("robustness",)),
    Item("31", "How the model was explained", ("explanation",)),
    Item("32", "How it was evaluated on internal data", ("tested",)),
    Item("33", "Test on external data", ("external",), "how comparable those data are"),
    Item("34", "Registration, if it is a clinical trial"),
    Item("35", "How many patients or examinations were included and excluded", ("exclusions", "split")),
    Item("36", "Who is in each partition", ("groups",), "age of the pregnancy, age, and other characteristics"),
    Item("37", "Results with their uncertainty", ("results",)),
    Item("38", "Diagnostic performance with its precision", ("by_class",)),
    Item("39", "Analysis of failures", ("failures",), "what the errors have in common"),
    Item("40", "Limitations", ("limits",), "the study's own"),
    Item("41", "What follows for practice, and the intended role"),
    Item("42", "Where the protocol or more detail is", ("code",), "the protocol"),
    Item("43", "Whether software, model and data can be had", ("code",), "where, and on which terms"),
    Item("44", "Funding and other support, and what funders did"),
)

TRIPOD = (
    Item("1", "Title: development or evaluation of a prediction model, target population, outcome"),
    Item("2", "Abstract as the guideline's own list asks"),
    Item("3a", "Healthcare context, why the model, and which models there are"),
    Item("3b", "Target population, purpose, and who is to use it", ("purpose",), "population and place in care"),
    Item("3c", "Known inequalities in health between groups"),
    Item("4", "Objectives, and whether it is development, evaluation or both"),
    Item(
        "5a", "Data of development and evaluation: sources, why, how representative", ("sources",), "representativeness"
    ),
    Item("5b", "Dates of the data"),
    Item("6a", "Setting: number and place of centres", ("sites",), "kind of care"),
    Item("6b", "Who was eligible", ("exclusions",), "criteria applied before the snapshot was made"),
    Item("6c", "Treatments, where they matter"),
    Item("7", "How data were prepared and their quality checked, alike in all groups", ("preparation", "missing")),
    Item("8a", "Outcome: definition, time, why, alike in all groups", ("labels",), "definition"),
    Item("8b", "Who judged the outcome, with which training, where it needs judgement"),
    Item("8c", "Whether they were blinded"),
    Item("9a", "How predictors were chosen first", ("input",)),
    Item("9b", "Predictors: definition and measurement", ("input", "scanners")),
    Item("9c", "Who judged the predictors, where that needs judgement"),
    Item("10", "Sample size and its reasoning, for development and evaluation", ("split",), "the reasoning"),
    Item("11", "How missing data were handled", ("missing",)),
    Item("12a", "How data were used in development and evaluation, and partitioned", ("split", "apart")),
    Item("12b", "How predictors were handled: scaling and the like", ("preparation",)),
    Item(
        "12c",
        "Kind of model, why, all steps of building it, internal validation",
        ("model", "training", "choice"),
        "why this model, and how it was validated internally",
    ),
    Item("12d", "Differences between clusters, such as hospitals", ("by_group",)),
    Item("12e", "Measures of performance, and plots", ("metrics", "intervals", "calibration", "plots")),
    Item("12f", "Updating of the model after evaluation, such as recalibration"),
    Item("12g", "Evaluation: how predictions were made, such as code or object", ("code", "model")),
    Item("13", "Imbalance of classes, and what was done about it", ("imbalance",)),
    Item("14", "What was done for fairness, and why", ("by_group",), "groups of people, which the data do not state"),
    Item("15", "Output of the model, and how classes and thresholds come about", ("output",)),
    Item(
        "16",
        "Differences between data of development and evaluation",
        ("external", "groups"),
        "in eligibility and outcome",
    ),
    Item("17", "Ethics approval and consent"),
    Item("18a", "Funding, and what funders did"),
    Item("18b", "Conflicts of interest"),
    Item("18c", "Where the protocol is, or that there is none"),
    Item("18d", "Registration, or that there is none"),
    Item("18e", "Whether the data can be had", ("sources",), "where and on which terms"),
    Item("18f", "Whether the code can be had", ("code",), "where"),
    Item("19", "Involvement of patients and the public"),
    Item("20a", "Flow of participants, with and without the outcome", ("exclusions", "split")),
    Item("20b", "Characteristics, overall and for each setting", ("groups",), "characteristics of patients"),
    Item(
        "20c",
        "Comparison of important predictors with the data of development",
        ("groups",),
        "beyond class, scanner, site",
    ),
    Item("21", "Participants and events in each analysis", ("split", "tested")),
    Item("22", "The full model, so that others can predict", ("model", "code"), "where it can be had"),
    Item(
        "23a", "Performance with intervals, also in subgroups, with plots", ("results", "by_class", "by_group", "plots")
    ),
    Item("23b", "Heterogeneity of performance between clusters", ("by_group",)),
    Item("24", "Results of updating, if any"),
    Item("25", "Interpretation, with fairness, against objectives and other studies"),
    Item("26", "Limitations and what they do to the results", ("limits",), "the study's own"),
    Item("27a", "How poor or missing input is to be recognised and handled in use", ("refusal",)),
    Item("27b", "How users interact with it, and which expertise they need"),
    Item("27c", "Next steps, for use and for generality"),
)
