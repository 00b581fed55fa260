"""What is asked of a deployment, checked and planned before anything is sent: rules only, no connection to anything.

problems      what a rule says about a field, and what a lint says about a line
wanted        what a person asks for, as data
rules, names  is it allowed
plan          what would change, with which effect; what was asked against what is there
environments, code, lint, models
              what is uploaded: read, checked and packed without running it
replicas, sdk_code, snippets
              what is shown beside it: a calculator, the equal SDK code, how to call the service
"""
