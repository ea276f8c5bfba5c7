//! Policy documents: reader, checker, compiled programs, evaluation that asks for effects.
