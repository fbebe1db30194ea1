"""Turn files of other tools into job files, with a comment for every part without a counterpart."""
