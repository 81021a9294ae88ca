"""``measurelp compress``: fewer neurons, with every layer's outputs kept within a tolerance."""

from __future__ import annotations

import json
import math
from typing import Any

import click

from measurelp._version import __version__
from measurelp.cli.errors import Exit, reports_errors
from measurelp.cli.options import names_options
from measurelp.cli.request import check_positive


@click.command("compress", short_help="Compress a network's layers on a CSV file.")
@click.argument("model", type=click.Path())
@click.argument("data", type=click.Path())
@click.option("--features", metavar="A,B,...", help="Input columns; all but the label if left out.")
@click.option("--label", metavar="COL", help="Column with the number of the right output, from 0.")
@click.option(
    "--tol",
    type=float,
    default=0.05,
    show_default=True,
    help="Relative error allowed to each layer's outputs on the data; 0 keeps them exactly.",
)
@click.option(
    "--refit/--no-refit",
    default=True,
    show_default=True,
    help="Fit the kept neurons' output weights once more by least squares.",
)
@click.option(
    "--gap", "tol_gap", type=float, default=1e-6, show_default=True, help="Relative gap to prove."
)
@click.option(
    "-o", "--out", metavar="FILE", help="Where to write the network: .onnx or .safetensors."
)
@click.option("--force", is_flag=True, help="Let --out replace a file.")
@click.option(
    "--header/--no-header",
    default=None,
    help="Whether line 1 names the columns; by default yes unless it is all numbers.",
)
@click.option("--delimiter", default=",", show_default=True, help="What separates columns; or tab.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@reports_errors
@names_options
def command(
    *,
    model: str,
    data: str,
    features: str | None,
    label: str | None,
    tol: float,
    refit: bool,
    tol_gap: float,
    out: str | None,
    force: bool,
    header: bool | None,
    delimiter: str,
    as_json: bool,
) -> None:
    """Compress the layers of MODEL on DATA, a CSV of its inputs.

    MODEL is Linear, ReLU, ..., Linear: an .onnx file, a .safetensors, .pt or .pth file with the
    weights of its layers (a ReLU between any two is then taken on trust), an .npz of weights, or
    a folder saved by solve.

    \b
    Example:
      measurelp compress model.onnx inputs.csv --tol 0.03 --out small.onnx
    """
    from measurelp.cli.answers import table as as_table
    from measurelp.cli.data import split_names
    from measurelp.cli.sources import read_source
    from measurelp.network import check_chain_path, compress, load_chain, save_chain

    if out is not None:
        check_chain_path(out, overwrite=force, option="--out")
    chain = load_chain(model)
    table = read_source(data, header=header, delimiter=delimiter)
    if label is not None:
        table.position(label, option="--label")
    names = table.names if features is None else tuple(split_names("--features", features))
    names = tuple(name for name in names if name != label)
    for name in names:
        table.position(name, option="--features")
    labels = None if label is None else table.numbers([label])[:, 0]
    check_positive("--gap", tol_gap)
    done = compress(chain, table.numbers(names), tol, labels=labels, refit=refit, tol_gap=tol_gap)
    if out is not None:
        save_chain(done.model, out, overwrite=force)
    proved = all(report.selection.relative_gap <= tol_gap for report in done.layers)
    code = Exit.CERTIFIED if proved else Exit.NOT_CERTIFIED
    if as_json:
        facts: dict[str, Any] = {
            "measurelp": __version__,
            "command": "compress",
            "exit_code": int(code),
            "rows": done.samples,
            "tol": tol,
            "layers": [
                {
                    "layer": report.name,
                    "width_before": report.width_before,
                    "width_after": report.width_after,
                    "bound": report.bound,
                    "relative_gap": report.selection.relative_gap,
                    "lam": report.selection.lam,
                    "output_error": report.output_error,
                    "norm_before": report.norm_before,
                    "norm_after": report.norm_after,
                }
                for report in done.layers
            ],
            "output_error": done.output_error,
            "changed": done.changed,
            "accuracy_before": None if label is None else done.accuracy_before,
            "accuracy_after": None if label is None else done.accuracy_after,
            "seconds": done.seconds,
            "saved": out,
        }
        click.echo(json.dumps(facts, indent=1, allow_nan=False))
        raise SystemExit(int(code))
    rows = [("model", f"{model}: {chain!r}"), ("data", f"{done.samples} rows of {data}")]
    for report in done.layers:
        words = (
            f"{report.width_before} -> {report.width_after} neurons (bound {report.bound}), outputs "
            f"changed by {report.output_error:.2g}, proved to a relative gap of "
            f"{report.selection.relative_gap:.1e}"
        )
        rows.append((f"layer {report.name}", words))
    rows.append(("outputs", f"changed by {done.output_error:.3g} (relative, on the data)"))
    if done.changed is not None:
        rows.append(("decisions", f"{done.changed} of {done.samples} rows decided otherwise"))
    if not math.isnan(done.accuracy_before):
        words = f"{done.accuracy_before:.4f} -> {done.accuracy_after:.4f} on these rows"
        rows.append(("accuracy", words))
    if out is not None:
        rows.append(("saved", out))
    click.echo(as_table(rows))
    raise SystemExit(int(code))
