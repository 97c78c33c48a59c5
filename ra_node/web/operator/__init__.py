"""Pages of the operator: studies, one study, buried jobs, peers, studies without a rated hand."""
