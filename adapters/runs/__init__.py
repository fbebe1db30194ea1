"""What a person or a program does with runs: find one, start it, resume it, cancel it, release its pod."""
