"""Lay out the root file system of the container image: what the helper needs, and nothing else.

    python packaging/image/root.py CHECKOUT MAN ROOT

MAN has the man pages, as `make man` leaves them in build/man. apt brings the packages of the
release that runs here, with its own sources and keys; ROOT gets what `KEPT` names of them, and the
libraries that this loads. ROOT.cdx.json, beside it, is the bill of materials. Needs Debian, and no
privileges.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import bill

HERE = Path(__file__).resolve().parent
SEEDS = ("base-files", "busybox", "libpython3-stdlib", "multipath-tools", "python3-minimal")

# What the image has of these packages, below /usr: all else is libraries, and taken as needed. The
# C library opens libgcc_s itself, when a thread of libmpathpersist ends.
KEPT = re.compile(
    r"bin/busybox|bin/python3(\.\d+)?|lib/libmpath(cmd|persist)\.so\.0|lib/multipath/.*\.so"
    r"|lib(64)?/(.*/)?ld-[^/]*\.so\.\d|lib/(.*/)?libgcc_s\.so\.1|lib/os-release|lib/python3\.\d+/.*"
)
# What neither program imports. tests/packaging/test_image.py imports each of their modules there.
LEFT_OUT = re.compile(
    r"lib/python3\.\d+/("
    r"(asyncio|config-.*|ctypes/(macholib|test)|curses|dbm|distutils|ensurepip|idlelib|lib2to3|pydoc_data"
    r"|_pyrepl|test|tkinter|turtledemo|unittest|venv|wsgiref|xmlrpc)/.*"
    r"|(doctest|pdb|_pydecimal|pydoc|_sysconfigdata.*|turtle)\.py"
    r"|lib-dynload/(_asyncio|_bz2|_codecs_(cn|hk|jp|kr|tw)|_crypt|_curses.*|_dbm|_hashlib|_lzma|_ssl|_test.*"
    r"|_tkinter|_uuid|_xxtestfuzz|_zstd|audioop|nis|ossaudiodev|readline|xx.*)\..*"
    r"|.*/__pycache__/.*)"
)
# For the entry point, and for whoever looks into a container.
APPLETS = ("cat", "env", "grep", "id", "kill", "ln", "ls", "ps", "rm", "sh", "sleep", "stat")

CONTROL = "DEBIAN/control"
STATUS = "var/lib/dpkg/status.d"  # where scanners look in images without dpkg

PYTHON = "#!/usr/bin/python3 -I\n"
TOOL = f"{PYTHON}import sys\n\nfrom qemu_pr.cli.qemu_pr import main\n\nsys.exit(main())\n"
USERS = "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"
GROUPS = "root:x:0:\nnogroup:x:65534:\n"


def main() -> None:
    """Lay it out."""
    checkout, man, root = map(Path, sys.argv[1:])
    shutil.rmtree(root, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="qemu-pr-image-") as scratch:
        packages = unpacked(Path(scratch))
        make_folders(root)
        used = fill(root, packages)
        for name in used:
            describe(root, name, packages[name])
    add_this_project(root, checkout, man)
    compile_modules(root)
    bill.write(Path(f"{root}.cdx.json"), sorted((root / STATUS).iterdir()))
    size = sum(path.lstat().st_size for path in root.rglob("*") if path.is_file())
    print(f"image: {root}: {size / 1e6:.1f} MB, with files of {len(used)} Debian packages")


def unpacked(scratch: Path) -> dict[str, Path]:
    """Have apt bring the packages, as for a machine that has none, and unpack them.

    Returns:
        A folder for each package.
    """
    archives = scratch / "archives"
    (archives / "partial").mkdir(parents=True)
    (scratch / "status").touch()
    settings = {
        "APT::Sandbox::User": "",
        "Debug::NoLocking": "true",
        "Dir::Cache::archives": archives,
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "Dir::State::status": scratch / "status",
    }
    apt = ["apt-get", *(f"-o{name}={value}" for name, value in settings.items()), "install"]
    options = ["--quiet", "--yes", "--no-install-recommends", "--download-only"]
    done = subprocess.run([*apt, *options, *SEEDS], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"image: apt brings no packages: {done.stderr}image: first do: apt-get update")
    folders = {}
    for archive in sorted(archives.glob("*.deb")):
        name = archive.name.partition("_")[0]
        if name in SEEDS or name.startswith(("lib", "python3", "zlib")):
            folders[name] = scratch / "unpacked" / name
            folders[name].parent.mkdir(exist_ok=True)
            subprocess.run(["dpkg-deb", "--raw-extract", archive, folders[name]], check=True)
    return folders


def make_folders(root: Path) -> None:
    """Make those that no package brings, with /bin and its like in /usr."""
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for name in ("dev", "etc", "proc", "run", "sys", "tmp", "var"):
        (root / name).mkdir()
    (root / "var/run").symlink_to("/run")


def fill(root: Path, packages: dict[str, Path]) -> list[str]:
    """Copy what is kept, and the libraries that it loads.

    Returns:
        The packages that gave something.
    """
    used = set()
    loads = loader(packages)
    for name, folder in packages.items():
        for path in sorted(folder.rglob("*")):
            where = below_usr(path, folder)
            if path.is_dir() or not KEPT.fullmatch(where) or LEFT_OUT.fullmatch(where):
                continue
            put(root, path, where)
            used.add(name)
            for library in loads(path):
                owner = packages[library.relative_to(folder.parent).parts[0]]
                put(root, library, below_usr(library, owner))
                used.add(owner.name)
    return sorted(used)


def loader(packages: dict[str, Path]) -> Callable[[Path], Iterator[Path]]:
    """Give what tells which libraries a program or library loads: the C library's own loader."""
    unpacked = packages["libc6"].parent
    (program,) = packages["libc6"].glob("**/lib/*-linux-*/ld-*.so.*")
    folders = sorted({str(path.parent) for path in unpacked.rglob("*.so.*")})
    command = [program, "--inhibit-cache", "--library-path", ":".join(folders), "--list"]

    def loads(path: Path) -> Iterator[Path]:
        if path.is_symlink() or path.read_bytes()[:4] != b"\x7fELF":
            return
        done = subprocess.run([*command, path], capture_output=True, text=True)
        if "not found" in done.stdout:
            sys.exit(f"image: {path} loads what no package has:\n{done.stdout}")
        for library in map(Path, re.findall(r"=> (/\S+) \(0x", done.stdout)):
            yield library
            yield library.resolve()

    return loads


def below_usr(path: Path, package: Path) -> str:
    """Give where a file belongs, from /usr: releases before 13 have some in /bin and /lib."""
    where = path.relative_to(package)
    return str(where.relative_to("usr") if where.parts[0] == "usr" else where)


def put(root: Path, path: Path, where: str) -> None:
    """Copy a file, or a symbolic link as such."""
    target = root / "usr" / where
    if not target.exists() and not target.is_symlink():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target, follow_symlinks=False)


def describe(root: Path, name: str, package: Path) -> None:
    """Leave what scanners look for, and whose work a package is."""
    (root / STATUS).mkdir(parents=True, exist_ok=True)
    shutil.copy(package / CONTROL, root / STATUS / name)
    text = package / "usr/share/doc" / name / "copyright"
    if text.exists():
        (root / "usr/share/doc" / name).mkdir(parents=True, exist_ok=True)
        shutil.copy(text, root / "usr/share/doc" / name)


def add_this_project(root: Path, checkout: Path, man: Path) -> None:
    """Copy the package, its programs and man pages, and what only the image has."""
    modules = root / "usr/lib/python3/dist-packages/qemu_pr"
    ignored = shutil.ignore_patterns(
        "__pycache__", "manual", "verified_examples", "sphinx.py", "*.pyi"
    )
    shutil.copytree(checkout / "src/qemu_pr", modules, ignore=ignored)
    helper = (checkout / "packaging/qemu-pr-helper").read_text().partition("\n'''\n")[2]
    programs = {
        "usr/bin/qemu-pr": TOOL,
        "usr/bin/qemu-pr-helper": f"{PYTHON}{helper}",
        "entrypoint.sh": (HERE / "entrypoint.sh").read_text(),
        "usr/libexec/qemu-pr/healthcheck": (HERE / "healthcheck").read_text(),
    }
    if not knows_socket_path(root):
        programs["usr/libexec/qemu-pr/multipathd-relay"] = (HERE / "multipathd-relay").read_text()
    for name, text in programs.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
        (root / name).chmod(0o755)
    for name in APPLETS:
        (root / "usr/bin" / name).symlink_to("busybox")
    (root / "etc/passwd").write_text(USERS)
    (root / "etc/group").write_text(GROUPS)
    shutil.copy(HERE / "multipath.conf", root / "etc")
    for page in man.glob("*.[178]"):
        folder = root / "usr/share/man" / f"man{page.suffix[1:]}"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(page, folder)
    documents = root / "usr/share/doc/qemu-pr"
    documents.mkdir()
    shutil.copy(checkout / "LICENSE", documents / "copyright")


def knows_socket_path(root: Path) -> bool:
    """Tell whether the library finds multipathd by a path, as it does since release 0.12."""
    return b"/multipathd.socket" in (root / "usr/lib/libmpathcmd.so.0").read_bytes()


def compile_modules(root: Path) -> None:
    """Compile what Python imports, by the image's own: a container cannot keep what it compiles."""
    (program,) = (root / "usr/lib").glob("*-linux-*/ld-*.so.*")
    python = [program, "--library-path", program.parent, root / "usr/bin/python3", "-I", "-m"]
    how = ["compileall", "-q", "--invalidation-mode=unchecked-hash", "-s", root, "-p", "/"]
    folders = [*(root / "usr/lib").glob("python3.*"), root / "usr/lib/python3/dist-packages"]
    subprocess.run([*python, *how, *folders], check=True)


if __name__ == "__main__":
    main()
