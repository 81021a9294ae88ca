"""``measurelp certify``: prove or refute that a network is globally optimal."""

from __future__ import annotations

import json
import os
from typing import Any

import click

from measurelp._version import __version__
from measurelp.cli.errors import Exit, exit_from_outcome, reports_errors
from measurelp.cli.options import decay_options, names_options, problem_options
from measurelp.cli.request import (
    Request,
    check_positive,
    state_problem,
)


@click.command("certify", short_help="Prove or refute that a network is globally optimal.")
@click.argument("network", type=click.Path())
@click.argument("file", type=click.Path())
@problem_options
@decay_options
@click.option("--tol", type=float, default=1e-6, show_default=True, help="Relative gap to prove.")
@click.option("--oracle", help="How the dual function is maximised; chosen by size if left out.")
@click.option(
    "--rounds",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="Limit on restricted programs in the search for a better dual vector.",
)
@click.option("--diagnose", "wants_diagnosis", is_flag=True, help="Say why it is not optimal.")
@click.option(
    "--proof",
    metavar="FILE",
    type=click.Path(),
    help="If proved optimal, write a proof in exact arithmetic to this new file.",
)
@click.option("--force", is_flag=True, help="Let --proof replace a file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@reports_errors
@names_options
def command(
    *,
    network: str,
    file: str,
    tol: float,
    oracle: str | None,
    rounds: int,
    wants_diagnosis: bool,
    proof: str | None,
    force: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Certify NETWORK on FILE, a CSV.

    NETWORK is a folder saved by solve, whose target, features, scaling, lam and model hold
    unless other ones are given; or one hidden layer of ReLUs as an .onnx file, a .safetensors,
    .pt or .pth file with the weights of two layers (the ReLU is then taken on trust), or an .npz
    with the arrays hidden_weights (k, d), hidden_bias (k,), output_weights (k,), output_bias () and
    optionally skip_linear (d,). Nothing in a file is executed.

    \b
    Examples:
      measurelp certify run examples/diabetes.csv
      measurelp certify net.pt data.csv --target y --weight-decay 1e-3 --diagnose
    """
    from measurelp.certificate.certificate import relative
    from measurelp.cli.answers import (
        certificate_facts,
        certificate_lines,
        diagnosis_facts,
        diagnosis_lines,
        problem_lines,
        table,
    )
    from measurelp.network import load_network, measure_from_network, read_folder

    request = Request.from_options(**options)
    check_positive("--tol", tol)
    if proof is not None:
        from measurelp.network import check_new_file

        check_new_file(proof, overwrite=force, option="--proof")
    elif force:
        raise click.UsageError("--force belongs to --proof, which is missing.")
    candidate = load_network(network)
    dual = None
    if os.path.isdir(network):
        document, arrays = read_folder(network)
        request = request.completed_by(_stored_request(document), name=network)
        dual = arrays.get("dual")
    stated = state_problem(file, request)
    if dual is not None and dual.shape != stated.problem.y.shape:
        dual = None
    measure_from_network(candidate, stated.problem)  # refuse what is no candidate, in its words
    from measurelp.interrupts import remembered_interrupts
    from measurelp.solving import certify, diagnose
    from measurelp.status import Verdict

    how: dict[str, Any] = {"tol_gap": tol, "oracle": oracle, "rounds": rounds}
    diagnosis = None
    with remembered_interrupts() as interrupts:
        if wants_diagnosis:
            diagnosis = diagnose(stated.problem, candidate, **how)
            certificate = diagnosis.certificate
        else:
            certificate = certify(stated.problem, candidate, dual=dual, **how)
            if dual is not None and not (certificate.is_optimal or interrupts.requested):
                certificate = certify(stated.problem, candidate, **how)  # dual: of another lam
    code = exit_from_outcome(certificate.verdict)
    if interrupts.requested and certificate.verdict is Verdict.BRACKETED:
        code = Exit.LIMIT
    written, unwritten = None, "not written, since the network is not proved optimal"
    if proof is not None and certificate.is_optimal:
        from measurelp.proof import write_proof

        try:
            written = write_proof(proof, stated.problem, candidate, certificate, overwrite=force)
        except KeyboardInterrupt:
            code, unwritten = Exit.LIMIT, "not written: interrupted"
    if as_json:
        facts = {
            "measurelp": __version__,
            "command": "certify",
            "exit_code": int(code),
            "problem": stated.facts(),
            **certificate_facts(certificate),
            "neurons": candidate.width,
            "diagnosis": None if diagnosis is None else diagnosis_facts(diagnosis),
            "proof": None if written is None else {
                "file": str(written.path), "gap": written.gap, "misfit": written.misfit,
                "data_sha256": written.data_sha256, "bytes": written.size,
                "records": written.records,
            },
        }  # fmt: skip
        click.echo(json.dumps(facts, indent=1, allow_nan=False))
    else:
        rows = [
            ("network", f"{network}, {candidate.width} neurons"),
            *problem_lines(stated),
            *certificate_lines(certificate),
            *([] if diagnosis is None else diagnosis_lines(diagnosis)),
        ]
        if written is not None:
            best = certificate.primal_value
            share = relative(written.gap, best, best - written.gap)
            words = f"{written.size} bytes; gap {written.gap:.3g}, relative {share:.2g}"
            rows.append(("proof", f"{proof}, {words}"))
            rows.append(("next", f"measurelp check {proof} verifies it in exact arithmetic"))
        elif proof is not None:
            rows.append(("proof", unwritten))
        click.echo(table(rows))
    raise SystemExit(int(code))


def _stored_request(document: dict[str, Any]) -> dict[str, Any]:
    """What a folder says about its problem: the model, and what the command line added."""
    stored: dict[str, Any] = {}
    for key in ("problem", "request"):
        entry = document.get(key)
        if isinstance(entry, dict):
            stored |= entry
    return stored
