"""RunPod REST v2, spoken through one requests session.

`session` one attempt · `answer` what came back · `errors` what it means · `pace` how fast to go on ·
`client` retries · `orders` what we write · `wire` what we read · `cloud` the port · `billing` what it cost.
"""
