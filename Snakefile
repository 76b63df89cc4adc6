# `snakemake --cores 2` starts here; the rules are in workflow/Snakefile. Snakemake looks for profiles
# beside the file it starts from, so there is a link profiles -> workflow/profiles.
include: "workflow/Snakefile"
workflow.default_target = "all"  # Snakemake forgets the default target of a file that is included
