"""``certify --proof`` writes what ``check`` verifies; exit codes and JSON of both."""

import json
import signal

import pytest

import measurelp.check_proof as checker
import measurelp.solving

SOLVE = ("--target", "y", "--features", "a,b", "--lam-ratio", "0.1")


@pytest.fixture
def saved(run, table_file, tmp_path):
    assert run("solve", table_file, *SOLVE, "--out", tmp_path / "net").exit_code == 0
    return tmp_path / "net"


@pytest.fixture
def proof(run, saved, table_file, tmp_path):
    result = run("certify", saved, table_file, "--proof", tmp_path / "proof.json")
    assert result.exit_code == 0 and "measurelp check" in result.stdout
    return tmp_path / "proof.json"


def test_a_proof_is_verified(run, run_json, proof):
    result = run("check", proof)
    assert result.exit_code == 0 and result.stdout.startswith("PROVED\n") and not result.stderr
    code, facts = run_json("check", proof)
    assert code == facts["exit_code"] == 0 and facts["proved"] and facts["reason"] is None
    assert facts["problem"]["n"] == 12 and facts["problem"]["bias"] == "penalized"
    assert 0.0 <= facts["primal_value"] - facts["dual_value"] <= facts["gap"]
    assert facts["gap"] <= 2e-6 * facts["primal_value"]
    assert facts["data_sha256"] in result.stdout


def test_certify_says_what_it_wrote(run_json, saved, table_file, tmp_path):
    code, facts = run_json("certify", saved, table_file)
    assert code == 0 and facts["proof"] is None
    code, facts = run_json("certify", saved, table_file, "--proof", tmp_path / "p.json")
    assert code == 0 and facts["proof"]["bytes"] == (tmp_path / "p.json").stat().st_size
    assert run_json("check", tmp_path / "p.json")[1]["data_sha256"] == facts["proof"]["data_sha256"]


def test_no_proof_is_written_of_what_is_not_optimal(run, run_json, saved, table_file, tmp_path):
    wrong = (saved, table_file, "--lam", "1e-3", "--proof", tmp_path / "p.json")
    code, facts = run_json("certify", *wrong)
    assert code == 1 and facts["proof"] is None and not (tmp_path / "p.json").exists()
    assert "not written" in run("certify", *wrong).stdout


def test_a_file_to_write_is_checked_before_the_work(run, proof, saved, table_file, monkeypatch):
    def never(*arguments, **options):
        raise AssertionError("the data was read before --proof was checked")

    monkeypatch.setattr("measurelp.cli.certify.state_problem", never)
    for path, words in ((proof, "exists already"), (proof.parent / "no" / "p", "does not exist")):
        result = run("certify", saved, table_file, "--proof", path)
        assert result.exit_code == 2 and words in " ".join(result.stderr.split())


def test_a_proof_is_replaced_when_asked_for(run, saved, table_file, tmp_path):
    path = tmp_path / "proof.json"
    path.write_text("before")
    assert run("certify", saved, table_file, "--proof", path).exit_code == 2
    assert path.read_text() == "before"
    result = run("certify", saved, table_file, "--proof", path, "--force")
    assert result.exit_code == 0 and run("check", path).exit_code == 0
    result = run("certify", saved, table_file, "--force")
    assert result.exit_code == 2 and "--proof" in result.stderr


def test_a_verdict_is_kept_when_its_proof_is_interrupted(
    run, run_json, saved, table_file, tmp_path, monkeypatch
):
    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("measurelp.proof.write_proof", interrupted)
    path = tmp_path / "proof.json"
    code, facts = run_json("certify", saved, table_file, "--proof", path)
    assert (code, facts["verdict"], facts["proof"]) == (4, "OPTIMAL", None)
    text = run("certify", saved, table_file, "--proof", path).stdout
    assert "interrupted" in text and not path.exists()


def test_a_bracket_is_kept_when_certify_is_interrupted(run_json, saved, table_file, monkeypatch):
    def interrupted(*arguments, **options):
        signal.raise_signal(signal.SIGINT)
        return original(*arguments, **options)

    original = measurelp.solving.certify
    monkeypatch.setattr("measurelp.solving.certify", interrupted)
    code, facts = run_json("certify", saved, table_file, "--lam", "1e-3")
    assert code == {"BRACKETED": 4, "REFUTED": 1}[facts["verdict"]]
    assert facts["dual_value"] <= facts["primal_value"]


def test_a_proof_that_does_not_hold_ends_with_1(run, run_json, proof):
    document = json.loads(proof.read_text())
    document["covers"][1]["records"].pop()
    proof.write_text(json.dumps(document))
    result = run("check", proof)
    assert (result.exit_code, result.stdout) == (1, "NOT PROVED: a cover is incomplete\n")
    code, facts = run_json("check", proof)
    assert code == facts["exit_code"] == 1 and facts["proved"] is False
    assert facts["reason"] == "a cover is incomplete"


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"format": 1.5}', "[" * 10_000])
def test_what_is_no_proof_ends_with_2(run, tmp_path, content):
    path = tmp_path / "proof.json"
    if content is not None:
        path.write_text(content)
    result = run("check", path)
    assert result.exit_code == 2 and result.stdout == "" and "Traceback" not in result.stderr
    assert str(path) in "".join(result.stderr.split())


def test_the_command_and_the_lone_checker_agree(run, run_json, proof, capsys):
    assert checker.main([str(proof)]) == 0
    verdict, _, text = capsys.readouterr().out.partition("\n")
    alone, (_, facts) = json.loads(text), run_json("check", proof)
    assert verdict == "PROVED" and {**facts, **facts["problem"]}.items() >= alone.items()
    words = run("check", proof).stdout
    for key in ("primal_value", "dual_value", "gap", "lam", "statement_sha256"):
        assert str(alone[key]) in words


def test_a_check_without_end_is_given_up(run, proof, monkeypatch):
    monkeypatch.setattr("measurelp.cli.check._MAX_SECONDS", 0.001)
    result = run("check", proof)
    assert result.exit_code == 1 and "takes more than 0.001 seconds" in result.stdout


def test_the_checker_is_a_program_of_its_own(run, proof, monkeypatch):
    """What was done to the module in this process does not change what is proved."""
    monkeypatch.setattr(checker, "check", lambda _: {"proved": "anything"})
    assert "that in the file has at most" in run("check", proof).stdout
