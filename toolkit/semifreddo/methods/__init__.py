"""Methods of training that a user switches on, each published by others and measured in a study."""
