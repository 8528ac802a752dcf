"""Pictures with the marks of AI-generated ones, as services write them."""

import json
from xml.sax.saxutils import escape, quoteattr

from app.images.containers import jpeg_segment, png_chunk, webp_chunk
from app.images.exif import ImageInfo, with_user_comment
from tools.fakes.images import MANIFEST, with_manifest
from tools.noise_images import noise_image

FIELDS = {"Label": "1", "ContentProducer": "001191110108MA01", "ProduceID": "20261126-7"}
WRAPPED = json.dumps({"AIGC": FIELDS})


def xmp(value: str = json.dumps(FIELDS), *, attribute: bool = False) -> bytes:
    """An XMP packet with the property AIGC, as an element or an attribute."""
    inside = "" if attribute else f"<TC260:AIGC>{escape(value)}</TC260:AIGC>"
    attributes = f" TC260:AIGC={quoteattr(value)}" if attribute else ""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/"'
        f"{attributes}>{inside}</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"
    ).encode()


def with_xmp(picture_format: str, packet: bytes) -> bytes:
    """A picture with this XMP packet."""
    plain = noise_image(picture_format)
    if picture_format == "png":
        return with_chunk(b"iTXt", b"XML:com.adobe.xmp\x00\x00\x00\x00\x00" + packet)
    if picture_format == "jpeg":
        return plain[:2] + jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\x00" + packet) + plain[2:]
    return noise_image("webp", xmp=packet)


def with_chunk(*chunk: bytes) -> bytes:
    """A PNG with a chunk of this name and payload after its header."""
    plain = noise_image("png")
    return plain[:33] + png_chunk(*chunk) + plain[33:]


def with_comment(picture_format: str, comment: str) -> bytes:
    """A JPEG or WebP with this EXIF user comment."""
    info = ImageInfo(width=96, height=64, is_srgb=True)
    return noise_image(picture_format, exif=b"Exif\x00\x00" + with_user_comment(b"", comment, info))


def with_c2pa(picture_format: str) -> bytes:
    """A picture with the beginning of a C2PA manifest store, where its format holds it."""
    if picture_format == "webp":
        return webp_and(webp_chunk(b"C2PA", MANIFEST))
    return with_manifest(noise_image(picture_format))


def webp_and(chunk: bytes) -> bytes:
    """An extended WebP with one more chunk at its end."""
    grown = noise_image("webp", xmp=b"<x/>") + chunk
    return grown[:4] + (len(grown) - 8).to_bytes(4, "little") + grown[8:]
