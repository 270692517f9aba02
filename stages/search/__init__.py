"""What in a run is most like a picture from outside it."""
