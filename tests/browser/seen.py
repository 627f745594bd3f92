"""A page that is open in a browser, and what went wrong on it."""

from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page

WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}
NO_GPU = "GPU stall due to ReadPixels"
"""What Chromium warns of when it draws without a GPU."""


class Seen:
    """A page at a width, all that went wrong on it, and the hosts that it asked ("" is a file)."""

    def __init__(self, browser: Browser, width: str) -> None:
        across, down = WIDTHS[width]
        phone = width == "phone"
        self.width = width
        self.context = browser.new_context(
            viewport={"width": across, "height": down},
            is_mobile=phone,
            has_touch=phone,
            device_scale_factor=2 if phone else 1,
        )
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("console", lambda message: self._complain(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._fetch(request.url))
        self.page.on("dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))

    def _complain(self, kind: str, text: str) -> None:
        if kind in ("error", "warning", "trace") and NO_GPU not in text:
            self.complaints.append(f"{kind}: {text}")

    def _fetch(self, url: str) -> None:
        if not url.startswith(("data:", "blob:")):
            self.hosts.add(urlsplit(url).hostname or "")
