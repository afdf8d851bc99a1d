"""Writes the template as CloudFormation sees it, after SAM's transform, for one region: `translate.py TEMPLATE REGION`."""

import json
import os
import sys

from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

template, os.environ["AWS_DEFAULT_REGION"] = sys.argv[1], sys.argv[2]


class NoManagedPolicies:
    """No policy of AWS's own is referred to, so none has to be looked up."""

    def load(self):
        return {}


with open(template, encoding="utf-8") as file:
    document = yaml_parse(file.read())
for resource in document["Resources"].values():
    if resource["Type"] == "AWS::Serverless::Function":
        # SAM puts the code there when it deploys.
        resource["Properties"]["CodeUri"] = "s3://bucket/key"
print(json.dumps(transform(document, {}, NoManagedPolicies()), indent=1))
