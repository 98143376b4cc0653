"""What nobody may make us call. `{port}` is where the listener of the test waits on loopback; HOST alone is allowed."""

HOST = "api.provider.example"

# Spellings of this machine: a careless client connects with most of them.
LOOPBACK = [
    "http://127.0.0.1:{port}/",
    "https://127.0.0.1:{port}/",
    "https://127.0.0.1/",
    "http://localhost:{port}/",
    "https://localhost/",
    "http://LOCALHOST:{port}/",
    "http://localhost.:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://127.1:{port}/",  # short
    "http://127.0.1:{port}/",
    "http://2130706433:{port}/",  # decimal
    "https://2130706433/",
    "http://0x7f000001:{port}/",  # hexadecimal
    "http://0x7f.1:{port}/",
    "http://0x7f.0x0.0x0.0x1:{port}/",
    "http://017700000001:{port}/",  # octal
    "http://0177.0.0.1:{port}/",
    "http://0177.0x0.0.1:{port}/",  # mixed
    "http://0:{port}/",  # "this host" is this machine
    "http://0.0.0.0:{port}/",
    "http://127.127.127.127:{port}/",
    "http://[::1]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[::]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",  # v4-mapped
    "http://[::ffff:7f00:1]:{port}/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]:{port}/",
    "http://[::1%25lo]:{port}/",  # zone ids
    "http://[fe80::1%25lo]:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/",  # digits that fold to digits
    "http://127。0。0。1:{port}/",  # dots that fold to dots
]

# Other addresses that are no provider's.
NUMBERS = [
    "http://169.254.169.254/latest/meta-data/",  # clouds' metadata
    "https://169.254.169.254/latest/meta-data/",
    "http://2852039166/latest/meta-data/",
    "http://0xa9fea9fe/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://100.100.100.200/latest/meta-data/",
    "http://192.0.0.192/opc/v2/instance/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.0.1/",
    "https://[fe80::1]/",  # link-local
    "https://[fc00::1]/",
    "https://[64:ff9b::7f00:1]/",  # NAT64
    "https://[2002:7f00:1::]/",  # 6to4
    "https://[2001:0:7f00:1::]/",  # Teredo
    "https://[::127.0.0.1]/",  # v4-compatible
    "https://224.0.0.1/",  # multicast
    "https://[ff02::1]/",
    "https://255.255.255.255/",
    "https://8.8.8.8/",  # public, but a number
    "https://[2606:4700:4700::1111]/",
]

# The allowed name stands in them, and they lead elsewhere.
TRICKS = [
    f"https://{HOST}@127.0.0.1:{{port}}/",
    f"http://{HOST}:80@127.0.0.1:{{port}}/",
    f"https://user:word@{HOST}/",
    f"https://@{HOST}/",
    f"https://127.0.0.1:{{port}}\\@{HOST}/",
    f"https://127.0.0.1:{{port}}#@{HOST}/",
    f"https://127.0.0.1:{{port}}?@{HOST}/",
    f"https://127.0.0.1:{{port}}/{HOST}",
    f"http:\\\\127.0.0.1:{{port}}\\{HOST}",
    f"http:/127.0.0.1:{{port}}/{HOST}",
    f"http:127.0.0.1:{{port}}/{HOST}",
    f"///127.0.0.1:{{port}}/{HOST}",
    f"https://{HOST}.evil.example/",
    f"https://evil-{HOST}/",
    f"https://x.{HOST}/",
    f"https://{HOST}.127.0.0.1.nip.io/",
    f"https://{HOST}%2eevil.example/",
    f"https://{HOST}%00.evil.example/",
    f"https://{HOST}。evil.example/",
    "https://аpi.provider.example/",  # a Cyrillic а
    "https://xn--pi-7kc.provider.example/",  # the same in ASCII
    "https://api.provider.exampIe/",  # a capital i
    f"https://{HOST}\u200b.evil.example/",
    f"https://{HOST};127.0.0.1:{{port}}/",
    f"https://{HOST},127.0.0.1:{{port}}/",
    f"https://[{HOST}]/",
    f"https://[::ffff:127.0.0.1]{HOST}/",
]

# The allowed host, called in another way than a provider is called.
MANNERS = [
    f"http://{HOST}/",
    f"http://{HOST}:443/",
    f"https://{HOST}:22/",
    f"https://{HOST}:80/",
    f"https://{HOST}:{{port}}/",
    f"https://{HOST}:0/",
    f"https://{HOST}:99999/",
    f"https://{HOST}:-1/",
    f"https://{HOST}:443:{{port}}/",
    f"https://{HOST}./",
    f"https://{HOST}/#fragment",
    f"ftp://{HOST}/",
    f"gopher://{HOST}/_GET",
    f"ws://{HOST}/",
    f"//{HOST}/",
    HOST,
    "file:///etc/passwd",
    "file://127.0.0.1/etc/passwd",
    "dict://127.0.0.1:{port}/info",
    "unix:///run/redis.sock",
    "http+unix://%2Frun%2Fredis.sock/",
    "data:text/plain,x",
    "javascript:alert(1)",
    "",
    "https://",
    "https:///path",
    "https://:443/",
    "https://?x",
    "https://./",
    "https://-/",
    "https://[/",
    "https://[]/",
    f"https://{'a' * 300}.example/",
    f"https://{HOST}/{'a' * 9000}",
]

# Refused as text. On the way through requests they become a plain call of the allowed host, and nothing else.
MENDED = [
    f"https://{HOST}\\@127.0.0.1:{{port}}/",
    f"https://{HOST}\\127.0.0.1/",
    f"https://{HOST}/a\r\nHost: 127.0.0.1",
    f"https://{HOST}/a\tb",
    f"https://{HOST}/a\x00b",
    f"https://{HOST}/a\x7fb",
    f"https://{HOST}/a b",
    f" https://{HOST}/",
    f"https://{HOST}/ü",
    f"https://{HOST.upper()}/",
]

URLS = [*LOOPBACK, *NUMBERS, *TRICKS, *MANNERS]

PUBLIC = "93.184.215.14"
PUBLIC6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"

# What the allowed name may be made to answer.
ANSWERS = [
    ["127.0.0.1"],
    ["127.8.8.8"],
    ["::1"],
    ["0.0.0.0"],
    ["::"],
    ["10.1.2.3"],
    ["172.31.255.255"],
    ["192.168.1.1"],
    ["169.254.169.254"],
    ["100.64.0.1"],
    ["100.100.100.200"],
    ["192.0.0.192"],
    ["192.0.2.1"],
    ["198.18.0.1"],
    ["192.88.99.1"],
    ["224.0.0.1"],
    ["239.255.255.250"],
    ["240.0.0.1"],
    ["255.255.255.255"],
    ["::ffff:127.0.0.1"],
    ["::ffff:10.0.0.1"],
    ["::ffff:0:7f00:1"],
    ["::127.0.0.1"],
    ["64:ff9b::7f00:1"],
    ["64:ff9b::a9fe:a9fe"],
    ["64:ff9b:1::7f00:1"],
    ["2002:7f00:1::"],
    ["2002:a9fe:a9fe::1"],
    ["2001:0:4136:e378:8000:63bf:80ff:fffe"],
    ["2001:db8::1"],
    ["3fff::1"],
    ["100::1"],
    ["fc00::1"],
    ["fd00:ec2::254"],
    ["fe80::1"],
    ["fe80::1%1"],
    ["fec0::1"],
    ["ff02::1"],
    ["ff0e::1"],
    ["5f00::1"],
    [f"{PUBLIC6}%1"],
    [PUBLIC, "127.0.0.1"],  # one of several
    ["10.0.0.1", PUBLIC],
    [PUBLIC, PUBLIC6, "fe80::1"],
    [PUBLIC, "::ffff:169.254.169.254"],
]
