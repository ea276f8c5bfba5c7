//! The parts of the .NET class library that policy expressions can see, exact to the text.
