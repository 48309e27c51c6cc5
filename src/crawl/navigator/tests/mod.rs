mod changed;
mod killed;
mod line;
mod parallel;
mod random;
mod scenarios;
mod timing;
