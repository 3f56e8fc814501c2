"""Training of iscene-mini 2 on crops of one to six views: samples, objective and loop."""
