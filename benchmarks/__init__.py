"""What the guard costs, measured side by side: ``make bench``. No part of the tests."""
