// What both jobs make once and hold: the table's client, and the secret, read while the module loads.

import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb'

export const TABLE = process.env.GREENLIGHT_TABLE

// Region, credentials and AWS_ENDPOINT_URL_* are taken from the environment; connections are kept alive as it is.
export const table = DynamoDBDocumentClient.from(new DynamoDBClient({}), { marshallOptions: { removeUndefinedValues: true } })

const secrets = new SecretsManagerClient({})
const { SecretString } = await secrets.send(new GetSecretValueCommand({ SecretId: process.env.GREENLIGHT_SECRET }))

export const secret = JSON.parse(SecretString)
