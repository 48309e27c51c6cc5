mod changed;
mod line;
mod random;
mod scenarios;
mod timing;
