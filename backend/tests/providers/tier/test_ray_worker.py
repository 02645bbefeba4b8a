"""What a decode worker is given of the settings: Ray keeps it where every machine of the cluster can read it."""

import json

from app.core.config import Settings
from app.providers.tier.ray_worker import share_settings


def test_a_worker_gets_no_key_and_no_address() -> None:
    secret = "sk-secret-of-a-service"
    settings = Settings.model_validate(
        {
            "stt": {
                "provider": "whisper_local",
                "openai_compat": {"base_url": "http://there", "api_key": secret},
            },
            "llm": {"openai_compat": {"base_url": "http://there", "api_key": secret}},
            "storage": {"url": f"postgresql://me:{secret}@there/prompter"},
            "scheduler": {"cores": 3},
        }
    )
    shared = share_settings(settings)
    text = json.dumps(shared)
    assert secret not in text
    assert "there" not in text
    worker = Settings.model_validate(shared)
    assert (worker.stt.provider, worker.scheduler.cores) == ("whisper_local", 3)
    assert worker.models_dir == settings.models_dir
