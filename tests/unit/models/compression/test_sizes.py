import gzip

from models.compression.sizes import measured_bytes


def test_a_folder_weighs_what_its_files_weigh(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "a").write_bytes(b"0" * 1000)
    (tmp_path / "deep" / "b").write_bytes(b"1" * 500)
    size = measured_bytes(tmp_path)
    assert size["bytes"] == 1500
    assert size["gzip_bytes"] == sum(
        len(gzip.compress(text, 9, mtime=0)) for text in (b"0" * 1000, b"1" * 500)
    )
    assert measured_bytes(tmp_path / "a")["bytes"] == 1000
