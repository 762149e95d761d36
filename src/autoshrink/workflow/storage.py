"""Object storage that a finished run is published on: which of Snakemake's storage plugins serves it."""

from autoshrink.errors import UserError
from autoshrink.params import Parameters

# the packages of schemes that go by another name: snakemake-storage-plugin-NAME
_PACKAGES = {"az": "azure", "gs": "gcs", "https": "http", "root": "xrootd"}


def check(parameters: Parameters) -> None:
    """Make sure that an installed storage plugin serves ``paths.storage``, where that is set, and can write there.

    Raises UserError in one line: Snakemake would end in an exception as soon as it reads the rule.
    """
    place = parameters.paths.storage
    if place is None:
        return
    scheme = place.partition("://")[0]
    package = f"snakemake-storage-plugin-{_PACKAGES.get(scheme, scheme)}"
    unset = "or set paths.storage: null"
    key = f"paths.storage = {place!r}"
    try:
        from snakemake_interface_storage_plugins.registry import StoragePluginRegistry
    except ImportError:
        raise UserError(f"{key}: needs Snakemake; install autoshrink[workflow] and {package}, {unset}") from None
    plugins = StoragePluginRegistry().plugins
    fitting = {name: each for name, each in plugins.items() if each.storage_provider.is_valid_query(f"{place}/results")}
    if not fitting:
        if package.removeprefix("snakemake-storage-plugin-") in plugins:
            raise UserError(f"{key}: {package}, which is installed, knows no such place; name another, {unset}")
        raise UserError(
            f"{key}: no installed storage plugin of Snakemake's knows the scheme {scheme}; install {package}, name a "
            f"place of another scheme, {unset}"
        )
    if len(fitting) > 1:
        raise UserError(f"{key}: several storage plugins know it: {', '.join(sorted(fitting))}; uninstall all but one")
    ((name, plugin),) = fitting.items()
    if not plugin.is_read_write():
        raise UserError(f"{key}: the storage plugin {name} can only read; name a place that can be written, {unset}")


def require(parameters: Parameters) -> None:
    """Make sure that ``paths.storage`` names where a run is to be fetched from. Raises UserError."""
    if parameters.paths.storage is None:
        raise UserError(
            "paths.storage: is null; name the place that the run was published on, such as s3://bucket/run, in a file "
            "given by --configfile"
        )
