import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from playwright.sync_api import expect

from motiontransfer.app.server import serve
from motiontransfer.core.errors import MotionTransferError
from motiontransfer.core.params import load_films
from tests.clone import ROOT
from tests.films import carrying, film_person

pytestmark = pytest.mark.slow
SOON = 60_000  # ms: commands take seconds to load


def column(page, index):
    return page.locator(".steps > .column").nth(index)


def drop(page, *files):
    for index, file in enumerate(files):
        side = column(page, index)
        if (another := side.get_by_role("button", name="Choose another")).count():
            another.click()
        expect(side.locator(".filled")).to_have_count(0)
        side.locator("input[type=file]").set_input_files(file)
        expect(side.locator(".filled")).to_be_visible(timeout=SOON)


def choose(page, index, name):
    """Choose a film that the page lists: after a reload the list arrives a moment later."""
    column(page, index).get_by_role("combobox").click()
    page.get_by_role("option", name=name).click(timeout=SOON)
    expect(column(page, index).locator(".filled")).to_be_visible(timeout=SOON)


def begin(page):
    page.get_by_label("everyone in them agrees").check()
    page.get_by_role("button", name="Make", exact=True).click()


def make(page):
    begin(page)
    expect(page.locator(".bar")).to_be_visible(timeout=SOON)
    page.get_by_role("button", name="What the training shows").click(timeout=SOON)


def performed(page, *pairs, state):
    """Wait until the queue says this of each."""
    page.get_by_role("tab", name="People").click()
    for pair in pairs:
        told = page.get_by_role("listitem").filter(has_text=f"{pair}: {state}")
        expect(told).to_be_visible(timeout=2 * SOON)


def test_from_two_films_over_a_kill_to_the_result(served, shown, uploads, project, tmp_path):
    film = film_person(tmp_path / "film.mkv", [(80, 40)] * 20)
    server, address = served(sees="somebody")
    with shown(address) as page:
        drop(page, *uploads)
        expect(page.locator(".cards")).to_contain_text("Takes about ", timeout=SOON)
        person = column(page, 1)
        expect(person.locator(".fair")).to_have_text("Usable: one person, from head to feet.")
        person.get_by_text("What to film better").click()
        expect(person.get_by_text("show few poses of a target")).to_be_visible()
        expect(person.get_by_role("img", name="What was found: IMG_42", exact=True)).to_be_visible()
        make(page)
        expect(page.get_by_text("A first look", exact=True)).to_be_visible(timeout=SOON)
        expect(page.get_by_text("The newest sample")).to_be_visible(timeout=SOON)
        with shown(address, width=390, color_scheme="dark") as other:
            expect(other.locator(".bar")).to_be_visible(timeout=SOON)
            expect(other.get_by_text("A first look", exact=True)).to_be_visible()
            assert other.evaluate("document.documentElement.scrollWidth") <= 390
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator(".fault")).to_contain_text("Stopped. Nothing is lost", timeout=SOON)
        begin(page)
        expect(page.locator(".bar")).to_be_visible(timeout=SOON)
        drop(page, film)
        begin(page)
        performed(page, "IMG_42 performs film", state="waiting")
    server.send_signal(signal.SIGKILL)
    server.communicate()
    _, address = served(sees="somebody")
    with shown(address) as page:
        expect(page.locator(".bar")).to_be_visible(timeout=SOON)
        page.get_by_role("tab", name="People").click()
        expect(page.locator("#people")).to_contain_text("▶ running", timeout=SOON)
        (project / "go").touch()
        performed(page, "IMG_42 performs the_dance", "IMG_42 performs film", state="Done.")
        expect(page.locator("#people")).to_contain_text("✓ done", timeout=SOON)
        page.get_by_role("tab", name="Make").click()
        for index, name in enumerate(("the_dance", "IMG_42")):
            choose(page, index, name)
        expect(page.get_by_text("The result", exact=True)).to_be_visible(timeout=SOON)
        expect(page.get_by_text("The dance", exact=True)).to_be_visible()
        expect(page.locator(".prose.advice")).not_to_be_empty(timeout=SOON)
        expect(page.locator(".prose.advice")).not_to_contain_text("Looking at", timeout=SOON)
        with page.expect_download() as download:
            page.get_by_role("link", name="Download").first.click()
        assert download.value.suggested_filename == "IMG_42_as_the_dance.mp4"
        assert download.value.path().read_bytes() == (project / "film.mp4").read_bytes()
        page.wait_for_function("document.querySelector('video').readyState > 1")
        with page.expect_popup() as popup:
            page.get_by_role("link", name="Report").click()
        assert popup.value.url.startswith(f"{address}/project/results/IMG_42_as_the_dance/report")
    assert (project / "trained").read_text() == "1\n"


def test_a_photo_dances_a_result_once_everyone_agrees(served, shown, tmp_path, project):
    """The examples are the demo's; here there is the photo alone."""
    result = carrying(tmp_path / "the dance!.mp4", side=256, num_frames=25, **{"render.crf": 20})
    (project / "demo").mkdir(exist_ok=True)
    shutil.copy(ROOT / "demo/ada.png", project / "demo")
    shutil.copytree(ROOT / "data/backgrounds", project / "data/backgrounds", dirs_exist_ok=True)
    (project / "go").touch()
    _, address = served(sees="somebody")
    with shown(address) as page:
        drop(page, result)
        page.get_by_role("button", name="Use the settings it was made with").click()
        expect(page.get_by_label("512", exact=True)).to_be_visible(timeout=SOON)
        page.get_by_role("button", name="a photo", exact=True).click()
        expect(column(page, 1).locator(".filled")).to_be_visible(timeout=SOON)
        expect(page.locator(".cards")).to_contain_text("Takes about ", timeout=SOON)
        page.get_by_role("button", name="Make", exact=True).click()
        refused = page.locator(".fault").get_by_text("Tick first that everyone")
        expect(refused).to_be_visible(timeout=SOON)
        page.get_by_role("slider", name="End, seconds").press("ArrowLeft")
        expect(page.get_by_label("512", exact=True)).to_have_count(0)  # the photo has 286
        expect(page.get_by_label("as the film", exact=True)).to_be_checked()
        page.get_by_label("green", exact=True).check(force=True)
        changes = expect(page.locator(".cards"))
        changes.to_contain_text(
            "render.crf: 16 -> 20, render.background: film -> green", timeout=SOON
        )
        expect(refused).to_have_count(0)
        begin(page)
        expect(page.get_by_text("Done.").first).to_be_visible(timeout=2 * SOON)
        with page.expect_download() as download:
            page.get_by_role("link", name="Download").first.click()
        assert download.value.path().stat().st_size > 1000
        page.reload()
        expect(page.get_by_label("everyone in them agrees")).to_be_checked(timeout=SOON)
    films = load_films(project)
    assert films["videos"]["the_dance"]["trim"][0] == 0.0
    params = (project / "params.yaml").read_text()
    assert "background: green" in params
    assert "crf: 20" in params
    assert "trim" not in films["videos"][films["targets"][-1]]


def test_what_is_of_no_use_is_refused_and_not_kept(served, shown, tmp_path, project, uploads):
    """A photo is taken by the browser's drawn camera, which shows nobody."""
    letter, broken, empty = (tmp_path / f"{name}.mp4" for name in ("letter", "broken", "empty"))
    letter.write_text("Dear all")
    broken.write_bytes(uploads[0].read_bytes()[:2000])
    shutil.copy(project / "film.mp4", empty)
    (project / "stages.py").write_text("input()")
    _, address = served()
    with pytest.raises(pytest.fail.Exception, match=f"the page is open already: {address}"):
        served()
    with shown(address) as page:
        for _ in range(2):
            page.get_by_role("button", name="Make", exact=True).click()
            expect(page.get_by_text("Choose a dance video, and")).to_be_visible(timeout=SOON)
        for file, told in {
            letter: "letter.mp4: ",
            broken: "broken.mp4: ",
            empty: "empty.mp4: expected a person, got one in 0 of",
        }.items():
            column(page, 0).locator("input[type=file]").set_input_files(file)
            expect(column(page, 0).locator(".fault")).to_contain_text(told, timeout=SOON)
            assert column(page, 0).locator(".filled").count() == 0
        page.get_by_role("button", name="take a photo").click()
        for told in ("5", "4"):
            expect(page.locator(".countdown b")).to_have_text(told, timeout=SOON)
        expect(page.locator(".countdown")).to_have_count(0, timeout=SOON)
        nobody = "expected a person, got one in 0 of 1"
        expect(column(page, 1).locator(".fault")).to_contain_text(nobody, timeout=SOON)
        stage = [sys.executable, "-m", "stages", "train_gan", "ada"]
        said = page.get_by_text("A terminal is at work: Training on ada.")
        with subprocess.Popen(stage, cwd=project, stdin=subprocess.PIPE) as process:
            expect(said).to_be_visible(timeout=SOON)
            process.communicate(b"\n")
        expect(said).to_have_count(0, timeout=SOON)
    assert not [*project.glob("data/videos/*")]
    uploads = project.glob(".dvc/tmp/app/uploads/**/*")
    assert not [path for path in uploads if path.is_file() and path.stat().st_size]


def test_a_judgment_that_goes_on_ends_with_the_page(served, shown, uploads):
    server, address = served()
    with shown(address) as page:
        column(page, 0).locator("input[type=file]").set_input_files(uploads[0])
        expect(page.get_by_text("Looking at")).to_be_visible(timeout=SOON)
        server.send_signal(signal.SIGINT)
        assert "Traceback" not in server.communicate()[0]


def status(url, **headers):
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    data = b"{}" if "Content_Type" in headers else None
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, names)) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_other_sites_and_files_beside_results_are_refused(served, project):
    _, address = served()
    (project / "results/a").mkdir(parents=True)
    (project / "results/a/report.html").write_text("a report")
    (project.parent / "secret").write_text("a secret")
    post = {"Content_Type": "application/json"}
    assert status(address) == 200
    assert status(f"{address}/project/results/a/report.html") == 200
    for path in (
        *("project/params.yaml", "project/results/../params.yaml", "project//etc/passwd"),
        *(f"project/{project.parent}/secret", "project/results/../../secret"),
        *(f"gradio_api/file={project.parent}/secret", "gradio_api/file=params.yaml"),
        "gradio_api/proxy=http://127.0.0.1/",
    ):
        assert status(f"{address}/{path}") == 404, path
    join = f"{address}/gradio_api/queue/join"
    assert status(join, **post, Origin="http://elsewhere.example") == 403
    assert status(join, **post, Origin="null") == 403
    assert status(address, Host="elsewhere.example") == 403
    assert status(join, **post, Origin=address) != 403
    upload = f"{address}/gradio_api/upload"
    assert status(upload, **post, Origin=address, Content_Length=str(10**16)) == 507


def test_who_has_not_the_token_is_refused(served, shown, project):
    (project / "results/a").mkdir(parents=True)
    (project / "results/a/report.html").write_text("a report")
    _, with_token = served("--host", "0.0.0.0")
    address, token = with_token.split("/?token=")
    assert len(token) > 32
    report = f"{address}/project/results/a/report.html"
    for where in (address, f"{address}/?token=", f"{address}/?token={token[:-1]}é", report):
        assert status(where.replace("é", "%C3%A9")) == 403
    cookie = f"motiontransfer_{address.rpartition(':')[2]}={token}"
    assert status(report, Cookie=cookie) == 200
    assert status(report, Cookie=cookie, Host="dance.example:7860") == 403  # of another port
    join, post = f"{address}/gradio_api/queue/join", {"Content_Type": "application/json"}
    assert status(join, **post, Cookie=cookie, Origin="http://elsewhere.example") == 403
    assert status(join, **post, Cookie=cookie, Origin=address) == 422  # nothing is asked
    with shown(address) as page:
        expect(page.locator("body")).to_contain_text("with its token")
        page.goto(with_token)
        expect(page.get_by_role("button", name="Make", exact=True)).to_be_visible(timeout=SOON)
        assert page.url == f"{address}/"
        page.goto(report)
        expect(page.locator("body")).to_have_text("a report")


def test_an_address_that_is_not_this_machines_is_refused(project, monkeypatch):
    monkeypatch.chdir(project)
    with pytest.raises(MotionTransferError, match=r"^--host: cannot listen at 192\.0\.2\.1: "):
        serve(host="192.0.2.1", opens=False)
