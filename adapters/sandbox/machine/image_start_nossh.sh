#!/bin/bash
# A start command that knows no SSH.
echo "Pod Started"
sleep infinity
