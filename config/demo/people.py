"""Who lives in the demo. Every one of them has an account at each sandbox under the sandbox email."""

from dataclasses import dataclass

PASSWORD = "train-together"
SANDBOX_PASSWORD = "sandbox-only"


@dataclass(frozen=True, slots=True)
class Person:
    email: str
    name: str
    part: str
    time_zone: str = "Europe/Berlin"
    units: str = "metric"
    sandbox_email: str = ""


COACH = Person("coach@demo.example", "Carla Coach", "Coach", sandbox_email="coach@sandbox.example")
OPERATOR = Person("ops@demo.example", "Olga Operator", "Operations")
ATHLETES = (
    Person("ada@demo.example", "Ada Athlete", "Athlete", "Europe/Lisbon", sandbox_email="athlete1@sandbox.example"),
    Person("ben@demo.example", "Ben Breeze", "Athlete", "Europe/Berlin", sandbox_email="athlete2@sandbox.example"),
    Person("chen@demo.example", "Chen Wei", "Athlete", "Asia/Shanghai", sandbox_email="athlete3@sandbox.example"),
    Person("dana@demo.example", "Dana Dunes", "Athlete", "America/Denver", "imperial", "athlete4@sandbox.example"),
    Person("elif@demo.example", "Elif Ebru", "Athlete", "Europe/Istanbul", sandbox_email="athlete5@sandbox.example"),
    Person("finn@demo.example", "Finn Fjord", "Athlete", "Pacific/Auckland", sandbox_email="athlete6@sandbox.example"),
)
PEOPLE = (COACH, *ATHLETES, OPERATOR)
