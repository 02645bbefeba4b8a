"""The invented data of the demo shop: addresses end in `.example`, telephone numbers are not in use."""

PRODUCTS = (
    ("PRD001", "Sofá Nórdico de tres plazas", "749.00", 6),
    ("PRD002", "Sofá cama Lisboa", "599.90", 3),
    ("PRD003", "Sillón de lectura Olmo", "289.00", 11),
    ("PRD004", "Silla de comedor Haya", "79.50", 48),
    ("PRD005", "Silla de oficina Turia", "159.00", 14),
    ("PRD006", "Mesa de comedor de roble", "429.00", 5),
    ("PRD007", "Mesa de centro Luna", "139.90", 0),
    ("PRD008", "Escritorio Brújula", "219.00", 9),
    ("PRD009", "Estantería modular Loft", "185.00", 17),
    ("PRD010", "Cama de matrimonio Duero", "399.00", 4),
    ("PRD011", "Colchón Nube de 150 × 190", "449.00", 8),
    ("PRD012", "Mesilla de noche Duero", "89.00", 22),
    ("PRD013", "Cómoda de cinco cajones", "259.00", 0),
    ("PRD014", "Armario de dos puertas", "349.00", 7),
    ("PRD015", "Lámpara de pie Arco", "119.00", 15),
    ("PRD016", "Lámpara de mesa Faro", "45.90", 31),
    ("PRD017", "Lámpara colgante de mimbre", "64.00", 12),
    ("PRD018", "Alfombra de lana Sierra de 160 × 230", "175.00", 6),
    ("PRD019", "Alfombra de yute redonda", "92.50", 10),
    ("PRD020", "Cortinas de lino, par", "58.00", 25),
    ("PRD021", "Espejo redondo de latón", "84.90", 13),
    ("PRD022", "Perchero de pared Rama", "36.00", 40),
    ("PRD023", "Juego de cuatro cojines", "49.90", 33),
    ("PRD024", "Manta de algodón Playa", "29.90", 57),
)
"""Id, name, price, stock."""

CUSTOMERS = (
    ("CUS001", "Ana García Demo", "ana.garcia@loft-demo.example", "+34600000001"),
    ("CUS002", "Luis Martín Demo", "luis.martin@loft-demo.example", "+34600000002"),
    ("CUS003", "Carmen Ruiz Demo", "carmen.ruiz@loft-demo.example", "+34600000003"),
    ("CUS004", "Javier Ortega Demo", "javier.ortega@loft-demo.example", "+34600000004"),
    ("CUS005", "María Núñez Demo", "maria.nunez@loft-demo.example", "+34600000005"),
    ("CUS006", "Iñaki Etxebarria Demo", "inaki.etxebarria@loft-demo.example", "+34600000006"),
    ("CUS007", "Núria Puig Demo", "nuria.puig@loft-demo.example", "+34600000007"),
    ("CUS008", "Xoán Castro Demo", "xoan.castro@loft-demo.example", "+34600000008"),
    ("CUS009", "Elena Vidal Demo", "elena.vidal@loft-demo.example", "+34600000009"),
    ("CUS010", "Pablo Serrano Demo", "pablo.serrano@loft-demo.example", "+34600000010"),
)
"""Id, name, email, phone. The last one has no orders."""

ORDERS = (
    ("ORD001", "CUS001", "enviado", "2026-11-12T10:24:00+01:00", (("PRD003", 1), ("PRD016", 2))),
    ("ORD002", "CUS002", "entregado", "2026-10-02T18:05:00+02:00", (("PRD006", 1), ("PRD004", 6))),
    ("ORD003", "CUS003", "pendiente de pago", "2026-11-19T21:47:00+01:00", (("PRD001", 1),)),
    ("ORD004", "CUS001", "entregado", "2026-08-21T09:12:00+02:00", (("PRD023", 1), ("PRD024", 2))),
    ("ORD005", "CUS004", "en preparación", "2026-11-18T12:30:00+01:00", (("PRD008", 1), ("PRD005", 1))),
    ("ORD006", "CUS005", "cancelado", "2026-09-14T16:55:00+02:00", (("PRD007", 1),)),
    (
        "ORD007",
        "CUS005",
        "enviado",
        "2026-11-15T08:40:00+01:00",
        (("PRD010", 1), ("PRD011", 1), ("PRD012", 2)),
    ),
    ("ORD008", "CUS006", "entregado", "2026-07-03T13:20:00+02:00", (("PRD009", 2),)),
    ("ORD009", "CUS007", "devuelto", "2026-06-27T19:02:00+02:00", (("PRD018", 1),)),
    ("ORD010", "CUS008", "en preparación", "2026-11-20T11:11:00+01:00", (("PRD014", 1), ("PRD022", 2))),
    ("ORD011", "CUS009", "entregado", "2026-10-29T17:33:00+01:00", (("PRD015", 1), ("PRD021", 1))),
    ("ORD012", "CUS001", "en preparación", "2026-11-20T20:15:00+01:00", (("PRD020", 3), ("PRD019", 1))),
    ("ORD013", "CUS003", "entregado", "2026-05-11T10:00:00+02:00", (("PRD017", 2),)),
    ("ORD014", "CUS007", "enviado", "2026-11-16T15:45:00+01:00", (("PRD002", 1), ("PRD023", 2))),
)
"""Id, customer, status, time, and product and quantity of each line."""
