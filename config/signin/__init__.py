"""Sign-in: how often it may fail, what it may cost, and what the user hears of it.

django-axes counts failed sign-ins in the database, so that all web processes agree.
`throttle` says how many are allowed; `slots` and `hashing` bound how many passwords are
checked at once; `notice` tells users of failures with their name; `prune` deletes old rows.
Nothing in the apps knows of it: a project that copies them may protect its sign-in differently.
"""
