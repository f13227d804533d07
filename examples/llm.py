"""
A Prefect flow's work without the flow: four prompts, two at a time, and no more calls a second than the provider allows.

    prefect gcl create llm-connections --limit 2
    prefect gcl create llm-calls --limit 10 --slot-decay-per-second 5    # a burst of 10, then five a second

It is a program for Prefect as it stands: PREFECT_API_URL=http://127.0.0.1:4230/api python examples/llm.py
"""

import asyncio

from prefect.concurrency.asyncio import concurrency, rate_limit


async def answer(prompt: str) -> str:
    async with concurrency("llm-connections", timeout_seconds=60, strict=True):
        await rate_limit("llm-calls", strict=True)
        return f"{prompt}: 42"  # a real program asks its provider here


async def main() -> None:
    for text in await asyncio.gather(*(answer(prompt) for prompt in ["one", "two", "three", "four"])):
        print(text)


asyncio.run(main())
