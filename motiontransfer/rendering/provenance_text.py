"""What people are told of a video's origin: sentences that claim no more than was found out.

Whatever comes out of the file was written by anybody: it is quoted as theirs, and stripped of what
a terminal would act on.
"""

from collections.abc import Iterator

from motiontransfer.rendering.provenance_reading import Provenance, Signer

_UNSIGNED = (
    "unknown: there is no C2PA manifest in it",
    "which proves nothing: most ways to edit or share a video drop it",
)
_MEANING_OF_CODE = {
    "assertion.bmffHash.mismatch": "pictures, sound or index are not those that were signed",
    "assertion.hashedURI.mismatch": "what the manifest says is not what was signed",
    "claimSignature.mismatch": "the signature does not fit the manifest",
    "claimSignature.outsideValidity": "the certificate was not valid when it signed, or is no more",
    "signingCredential.expired": "the certificate has expired",
}


def origin_lines(provenance: Provenance | None) -> list[str]:
    """Lines of a table, a word and what is to be said of it."""
    if provenance is None:
        rows = list(zip(("origin", ""), _UNSIGNED, strict=True))
    else:
        rows = list(_rows(provenance))
    return [f"  {word:<10}{_harmless(text)}" for word, text in rows]


def _rows(provenance: Provenance) -> Iterator[tuple[str, str]]:
    match provenance.integrity:
        case "unaltered":
            yield "content", "unaltered since it was signed"
        case "altered":
            yield "content", "ALTERED since it was signed: what it says need not be true of it"
        case "not credible":
            yield "content", "as it was signed, but not with a certificate that counts"
    for reason in provenance.reasons:
        yield "", _MEANING_OF_CODE.get(reason.code, f"{reason.text} ({reason.code})")
    kind = provenance.source_type or "no word on how it came to be"
    claim = "AI-generated" if provenance.is_generated else "not said to be AI-generated"
    yield "origin", f"{claim} ({kind}), says its C2PA manifest, written by {provenance.software}"
    yield "signed", _signed_by(provenance.signer)
    yield from _statement_rows(provenance.statement)


def _signed_by(signer: Signer) -> str:
    name = signer.name
    if signer.organisation not in ("", name):
        name = f"{name} ({signer.organisation})"
    match signer.standing:
        case "trusted":
            return f"by {name}, for whom an authority vouches that you trust"
        case "own":
            return "by a certificate that this machine made for itself: nobody else vouches for it"
        case "self-made":
            return "by a certificate that nobody vouches for: some machine made it for itself"
        case "unknown":
            return f"by {name}, it says; no authority that you trust vouches for it (--trust)"


def _statement_rows(statement: dict[str, object]) -> Iterator[tuple[str, str]]:
    networks, source = statement.get("networks"), statement.get("source")
    for network in networks if isinstance(networks, list) else []:
        if isinstance(network, dict):
            architecture, weights = (network.get(k) for k in ("architecture", "weights_sha256"))
            yield str(network.get("role")), f"{architecture}, weights SHA-256 {weights}"
    word = "source"
    for key, value in source.items() if isinstance(source, dict) else ():
        yield word, f"{str(key).removesuffix('_sha256')} SHA-256 {value}"
        word = ""


def _harmless(text: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in text)
