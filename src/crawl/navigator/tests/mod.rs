mod changed;
mod line;
mod parallel;
mod random;
mod scenarios;
mod timing;
