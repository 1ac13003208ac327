"""Pictures for people: PNG files with parameters inside, contact sheets, renders of a mesh."""
