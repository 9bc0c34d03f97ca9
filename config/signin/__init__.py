"""Protect sign-in: limit failures, limit the cost of password checks, notify users of attacks.

django-axes counts failed sign-ins in the database, so that all web processes share the counts.
`throttle` sets the limits of failures; `slots` and `hashing` limit how many passwords are checked
at once; `notice` notifies users of failed sign-ins under their name. The apps do not depend on this
package, so a project that copies them may protect its sign-in in another way.
"""
