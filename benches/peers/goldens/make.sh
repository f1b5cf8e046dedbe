#!/bin/sh
# Writes every file anew, below tests/data/golden or below $GOLDEN_OUT.
set -eu
cd "$(dirname "$0")"
export TRL_EXPERIMENTAL_SILENCE=1 PYTHONDONTWRITEBYTECODE=1
for script in trl_*.py verl_ppo_clip.py verl_agg_loss.py verl_kl.py verl_gae.py sft_token.py; do
    "${PYTHON:-python}" "$script"
done
