"""CloudFormation types that LocalStack's own CloudFormation lacks, each a thin call of the service's API."""
