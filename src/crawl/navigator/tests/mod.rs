mod line;
mod random;
mod scenarios;
