"""How a snapshot gets in: fetched from its source, held to its pin, brought in file by file, DICOM de-identified."""
