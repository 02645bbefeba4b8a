"""The sentences that samples/ says and that the test checkpoint in models/whisper-samples/ knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "es"]


@dataclass(frozen=True)
class Sentence:
    """One utterance: what is written, and how it is said where the two differ."""

    key: str
    lang: Language
    text: str
    """The transcript: capital, accents, final mark."""
    spoken_as: tuple[tuple[str, str], ...] = ()
    """Written word -> the words to speak for it, where a synthesiser would read the written word wrongly."""

    @property
    def spoken(self) -> str:
        """The text for the synthesiser."""
        spoken = self.text
        for written, said in self.spoken_as:
            spoken = spoken.replace(written, said)
        return spoken


# Written as a person wants to read it, spoken letter by letter as a person says it.
ORDER_NUMBER = (("ORD001", "o erre de cero cero uno"),)

SENTENCES: tuple[Sentence, ...] = (
    # Said in samples/.
    Sentence("reverse_list", "en", "Write a Python function that reverses a list."),
    Sentence("summarize_document", "en", "Summarize this document in five short sentences."),
    Sentence("send_email", "en", "Send an email to my boss about the meeting on Friday."),
    Sentence("weather_madrid", "en", "What is the weather like in Madrid today?"),
    Sentence("translate_letter", "en", "Translate this letter into Spanish and make it shorter."),
    Sentence("run_tests", "en", "Open the terminal and run all the tests again."),
    Sentence("error_message", "en", "Tell me what this error message means."),
    Sentence("correo_jefe", "es", "Escribe un correo para mi jefe."),
    Sentence("estado_pedido", "es", "¿Cuál es el estado del pedido ORD001?", ORDER_NUMBER),
    Sentence("musica_tranquila", "es", "Abre la ventana y pon música tranquila."),
    Sentence("sumar_numeros", "es", "Crea una función que sume dos números."),
    Sentence("traduce_texto", "es", "Traduce este texto al inglés, por favor."),
    # Known to the checkpoint alone.
    Sentence("buy_milk", "en", "Remind me to buy milk and bread tomorrow morning."),
    Sentence("create_table", "en", "Create a table with three columns and ten rows."),
    Sentence("largest_number", "en", "Find the largest number in this table."),
    Sentence("explain_cache", "en", "Explain how the cache works in simple words."),
    Sentence("login_bug", "en", "Fix the bug in the login page before lunch."),
    Sentence("tiempo_sevilla", "es", "¿Qué tiempo hace hoy en Sevilla?"),
    Sentence("llamar_hermana", "es", "Recuérdame llamar a mi hermana mañana por la tarde."),
    Sentence("resume_pagina", "es", "Resume esta página en tres frases."),
    Sentence("anade_ejemplo", "es", "Añade un ejemplo al final del documento."),
)

BY_KEY: dict[str, Sentence] = {sentence.key: sentence for sentence in SENTENCES}
