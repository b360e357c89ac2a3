"""Jenkins: folders, multibranch projects, the queue, stages, inputs and progressive logs."""
