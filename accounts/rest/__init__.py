"""What the API's routes of every app share: errors, pages, stamps, repeats, and who is asking."""
