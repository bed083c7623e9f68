"""Show what this installation runs on: version, instruction set, threads, OpenMP runtime, compiler."""

HELP = "show version, instruction set, threads, compiler"

EXAMPLES = ("fastconv info", "fastconv info --json")


def add_arguments(parser):
    parser.add_argument("--json", action="store_true", help="print a JSON object")


def run(args, parser):
    import json
    import platform

    import numpy

    from fastconv import settings
    from fastconv.cli.terminal import Terminal

    facts = settings.config() | {"numpy": numpy.__version__, "python": platform.python_version()}
    if args.json:
        print(json.dumps(facts))
        return 0
    terminal = Terminal()
    rows = {
        "fastconv": facts["version"],
        "instruction set": f"{facts['isa']} (this machine and build have {', '.join(facts['available_isas'])})",
        "threads": f"{facts['threads']} ({facts['threads_reason']})",
        "denormals": "taken for zeros" if facts["flush_denormal"] else "kept",
        "OpenMP": facts["openmp"] if facts["openmp"] != "none" else "none: built without it, kernels run on one thread",
        "compiler": facts["compiler"],
        "compiler flags": facts["flags"],
        "Cython": facts["cython"] + (", bounds checks on" if facts["bounds_checks"] else ""),
        "NumPy": facts["numpy"],
        "Python": facts["python"],
    }
    for name, value in rows.items():
        if value:
            terminal.fact(f"{name:<16} {value}")
    return 0
