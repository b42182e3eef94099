"""uma beside its peers and beside this machine's limits; `./dev bench` calls it.

    run.py [tokens|kernels|arrays ...] [--model MODEL ...] [--rounds N] [--quick] [--no-save]

Peers and uma run in turn, each in a process of its own, and medians count. A peer that is not installed (llama_cpp,
torch, mlx in this Python) is left out, and the table says so. Figures are kept in bench/results/, one file a run with
the machine and the commit, and a plot of every kernel's share of its limit beside it.
"""
import argparse
import datetime
import importlib.util
import json
import math
import os
import platform
import re
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "bench" / "peers"
MODELS = ("gemma3:270m", "qwen2.5-coder:0.5b")
KERNEL_ROWS = (1, 4, 8, 32, 512)
# Names of the token figures and the flags of both programs.
SETTINGS = {
    "prompt of 512, one sequence": ["--prompt", "512", "--gen", "64"],
    "at depth 4096": ["--prompt", "16", "--gen", "32", "--depth", "4096"],
    "4 sequences": ["--prompt", "16", "--gen", "32", "--batch", "4"],
    "16 sequences": ["--prompt", "16", "--gen", "32", "--batch", "16"],
    "32 sequences": ["--prompt", "16", "--gen", "32", "--batch", "32"],
}


def has(package):
    return importlib.util.find_spec(package) is not None


def say(text):
    print(text, file=sys.stderr, flush=True)


def output_of(words, **more):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, **more)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))} failed: {done.stderr.strip()[-400:]}")
    return done.stdout


def json_of(words, **more):
    return json.loads(output_of(words, **more).strip().splitlines()[-1])


def table(heads, rows):
    texts = [[str(cell) for cell in row] for row in [heads, *rows]]
    widths = [max(len(row[i]) for row in texts) for i in range(len(heads))]
    for n, row in enumerate(texts):
        print("  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))).rstrip())
        if n == 0:
            print("  ".join("-" * w for w in widths))
    print(flush=True)


def times(figure):
    return f"{figure:.2f}x" if figure else "-"


def percent(share):
    return f"{100 * share:.0f} %" if share else "-"


# ---- tokens ----


def measure_tokens(build, models, rounds, quick):
    uma, found = build / "uma", []
    with_peer = has("llama_cpp")
    settings = dict(list(SETTINGS.items())[:1]) if quick else SETTINGS
    for model in models:
        path = output_of([uma, "show", model, "--path"]).strip()
        for name, flags in settings.items():
            ours, theirs = [], []
            for round in range(rounds):
                say(f"{model}, {name}: {round + 1} of {rounds}")
                ours.append(json_of([uma, "bench", path, *flags, "--runs", "1", "--json"]))
                if with_peer:  # the better of its two ways, figure by figure
                    ways = [json_of([sys.executable, PEERS / "llama.py", path, *flags, "--repack", r]) for r in "01"]
                    theirs.append({k: (max if k.endswith("tok_s") else min)(w[k] for w in ways) for k in ways[0]})
            row = {"model": model, "setting": name, "uma": medians(ours), "llama.cpp": medians(theirs)}
            found.append(row)
    return found


def medians(runs):
    return {k: statistics.median(r[k] for r in runs) for k, v in runs[0].items() if is_number(v)} if runs else None


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def show_tokens(found):
    rows = []
    for row in found:
        ours, theirs = row["uma"], row["llama.cpp"] or {}
        first = row["setting"] == next(iter(SETTINGS))
        for name, key, share in (
            ("prefill, tok/s", "prefill_tok_s", "prefill_share_of_int8"),
            ("decode, tok/s", "decode_tok_s", "decode_share_of_read"),
            ("load, s", "load_s", None),
            ("memory, MB", "peak_rss_bytes", None),
        ):
            if not first and key != "decode_tok_s":
                continue
            unit = 1e6 if key == "peak_rss_bytes" else 1
            peer = theirs.get(key)
            better = peer and (ours[key] / peer if key.endswith("tok_s") else peer / max(ours[key], 1e-9))
            rows.append(
                (
                    f"{row['model']}, {row['setting']}: {name}",
                    f"{ours[key] / unit:.4g}",
                    f"{peer / unit:.4g}" if peer else "-",
                    times(better),
                    percent(ours.get(share)),
                )
            )
    table(("tokens", "uma", "llama.cpp", "better", "share of limit"), rows)


# ---- kernels ----


def measure_kernels(build, quick):
    say("quantized products")
    rows = ",".join(map(str, KERNEL_ROWS[:: len(KERNEL_ROWS) - 1] if quick else KERNEL_ROWS))
    lines = output_of([build / "src" / "uma_qmm_bench", "--json", "--m", rows, "--mb", 48])  # more than a cache holds
    limits, *found = map(json.loads, lines.splitlines())
    return {"limits": limits, "products": found}


def limit_of(product, limits):
    """What bounds it, and the share of that: reading for few rows, arithmetic for many."""
    if product["m"] < 32:
        return "read", product["share_of_read"]
    if product["format"] in ("F32", "F16", "BF16"):
        return "f32 peak", product["gop_s"] / limits["f32_gflop_s"]
    return "int8 peak", product.get("share_of_int8")


def show_kernels(found):
    limits = found["limits"]
    print(
        f"{limits['isa']}: reads {limits['read_gb_s']:.1f} GB/s, int8 {limits['int8_gop_s']:.0f} Gop/s, "
        f"f32 {limits['f32_gflop_s']:.0f} GFLOP/s"
    )
    rows = [
        (f"{p['format']}, {p['m']} rows", f"{p['gb_s']:.2f}", f"{p['gop_s']:.0f}", *named(limit_of(p, limits)))
        for p in found["products"]
    ]
    table(("quantized product", "GB/s", "Gop/s", "limit", "share"), rows)


def named(limit):
    return limit[0], percent(limit[1])


def plot(found, path):
    """Bars of each kernel's share of its limit, as SVG."""
    products = [p for p in found["products"] if p["m"] in (1, 4, 512)]
    height, left, width = 16, 130, 420
    lines = []
    for i, p in enumerate(products):
        name, share = limit_of(p, found["limits"])
        y, length = 30 + i * height, width * min(share or 0, 1.1)
        colour = "#4477aa" if name == "read" else "#ee6677"
        lines += [
            f'<text x="{left - 6}" y="{y + 11}" text-anchor="end">{p["format"]}, {p["m"]} rows</text>',
            f'<rect x="{left}" y="{y}" width="{length:.0f}" height="{height - 4}" fill="{colour}"/>',
            f'<text x="{left + length + 4:.0f}" y="{y + 11}">{percent(share)} of {name}</text>',
        ]
    bottom = 30 + len(products) * height
    lines.append(f'<line x1="{left + width}" y1="24" x2="{left + width}" y2="{bottom}" stroke="#888"/>')
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 130}" height="{bottom + 10}" '
        f'font-family="sans-serif" font-size="11"><text x="{left}" y="16">share of the limit, '
        f"{found['limits']['isa']}</text>{''.join(lines)}</svg>\n"
    )


# ---- arrays ----


def measure_arrays(build, rounds, quick):
    libraries = ["uma", *(p for p in ("torch", "mlx") if has(p))]
    found = {}
    for round in range(rounds):
        for library in libraries:
            say(f"arrays in {library}: {round + 1} of {rounds}")
            path = os.pathsep.join([str(build / "python"), *filter(None, [os.environ.get("PYTHONPATH")])])
            environment = {**os.environ, "PYTHONPATH": path}
            words = [sys.executable, PEERS / "arrays.py", library, "--seconds", "0.1" if quick else "0.4"]
            for line in output_of(words, env=environment).splitlines():
                name, median, _ = json.loads(line)
                found.setdefault(name, {}).setdefault(library, []).append(median)
    return {name: {k: statistics.median(v) for k, v in each.items()} for name, each in found.items()}


def show_arrays(found):
    peers = [p for p in ("torch", "mlx") if any(p in each for each in found.values())]
    rows = []
    for name, each in found.items():
        beside = [times(each[p] / each["uma"]) if p in each else "-" for p in peers]
        rows.append((name, *(f"{each[k]:.3f}" if k in each else "-" for k in ("uma", *peers)), *beside))
    table(("arrays, ms", "uma", *peers, *(f"beside {p}" for p in peers)), rows)
    for p in peers:
        ratios = [each[p] / each["uma"] for each in found.values() if p in each]
        mean = math.exp(statistics.fmean(map(math.log, ratios)))
        print(f"uma is {mean:.2f} times as fast as {p} (geometric mean of {len(ratios)}, worst {min(ratios):.2f})")
    print()


# ---- all ----


def machine():
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    name = re.search(r"model name\s*:\s*(.*)", text)
    return {"cpu": name.group(1) if name else platform.processor(), "threads": len(os.sched_getaffinity(0))}


def commit():
    done = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("areas", nargs="*", metavar="AREA", help="tokens, kernels, arrays; default: all")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release")
    parser.add_argument("--model", action="append", help="for tokens; may be given several times")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, in turn with the peers'")
    parser.add_argument("--quick", action="store_true", help="fewer settings, shorter runs")
    parser.add_argument("--no-save", action="store_true", help="keep nothing in bench/results")
    options = parser.parse_args()
    unknown = [a for a in options.areas if a not in ("tokens", "kernels", "arrays")]
    if unknown:
        parser.error(f"there is no area '{unknown[0]}'; tokens, kernels and arrays are")
    areas = options.areas or ["kernels", "tokens", "arrays"]
    result = {"date": f"{datetime.datetime.now():%Y-%m-%d %H:%M}", "commit": commit(), "machine": machine()}
    if "kernels" in areas:
        result["kernels"] = measure_kernels(options.build, options.quick)
        show_kernels(result["kernels"])
    if "tokens" in areas:
        result["tokens"] = measure_tokens(options.build, options.model or MODELS, options.rounds, options.quick)
        show_tokens(result["tokens"])
    if "arrays" in areas:
        result["arrays"] = measure_arrays(options.build, options.rounds, options.quick)
        show_arrays(result["arrays"])
    if options.no_save:
        return
    folder = ROOT / "bench" / "results"
    folder.mkdir(exist_ok=True)
    name = f"{datetime.datetime.now():%Y%m%d-%H%M}-{result['commit']}"
    (folder / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    if "kernels" in areas:
        plot(result["kernels"], folder / f"{name}.svg")
    say(f"kept in bench/results/{name}.json")


if __name__ == "__main__":
    main()
