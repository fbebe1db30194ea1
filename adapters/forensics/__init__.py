"""What is known of a run: from its journal, its folder, or the folder of an older tool. Nothing here acts."""
