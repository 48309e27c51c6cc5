"""What generated businesses are about, and how they say it.

Written before anybody looked at how the program understands menus, so that a crawl of the
generated menus measures understanding and not agreement. The label of an option is what a listener
would write down: what follows "for", "to" or "if", without "you would like to".
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Topic:
    """Something that people call about: as a thing, as a deed, as a case; with finer topics."""

    noun: str
    deed: str
    case: str = ""
    below: tuple = ()


def topics(*rows):
    return tuple(Topic(*row[:3], below=topics(*row[3:])) for row in rows)


@dataclass(frozen=True)
class Trade:
    """A kind of business."""

    names: tuple
    topics: tuple
    # What callers are asked to enter.
    numbers: tuple
    # What is announced; full of numbers that are no keys.
    facts: tuple
    # What is said before the menu these days.
    news: tuple
    staff: str
    extras: tuple = field(default=())


TRADES = (
    Trade(
        names=("Skylark Airways", "Blue Ridge Air"),
        topics=topics(
            ("flight changes", "change a flight", "you need to change a flight",
             ("a different day", "fly on a different day", ""),
             ("seat requests", "choose a seat", ""),
             ("special meals", "order a special meal", "")),
            ("lost luggage", "report a lost bag", "your bag did not arrive"),
            ("group travel", "book for a group", "you are traveling with a group"),
            ("arrivals and departures", "check on an arriving flight", ""),
            ("frequent flyers", "use your miles", "",
             ("missing credit", "claim missing miles", ""),
             ("upgrades", "upgrade your ticket", "")),
        ),
        numbers=("six digit booking number", "frequent flyer number"),
        facts=(
            "Bags are delivered within 24 hours in most cases.",
            "Groups of ten or more receive one free ticket.",
            "The ticket counter is open from five in the morning to eight thirty at night.",
        ),
        news=(
            "Due to heavy snow in the mountains, some flights are delayed this morning.",
            "From the first of June we fly to two new cities.",
        ),
        staff="travel agent",
    ),
    Trade(
        names=("Riverside Credit Union", "Granite Savings Bank"),
        topics=topics(
            ("account balances", "find out your balance", ""),
            ("lost or stolen cards", "report a stolen card", "your card was lost or stolen"),
            ("loans", "ask about a loan", "",
             ("car loans", "borrow money for a car", "",
              ("new cars", "buy a new car", ""),
              ("used cars", "buy a used car", "")),
             ("home loans", "buy a house", ""),
             ("student loans", "pay for college", "")),
            ("online banking", "get help with our website", "you cannot sign in"),
            ("branch locations", "find a branch", ""),
        ),
        numbers=("twelve digit account number", "last four digits of your card"),
        facts=(
            "Our rate for new cars is four and a half percent for 60 months.",
            "The branch at 210 Bridge Street is open Monday to Friday.",
            "Since 1987 we have served three counties.",
        ),
        news=(
            "Beware of fraud. Our staff will never ask for your password.",
            "All branches are closed on Monday for the holiday.",
        ),
        staff="member service representative",
    ),
    Trade(
        names=("Fern Hill Animal Hospital", "Happy Paws Veterinary Care"),
        topics=topics(
            ("appointments", "make an appointment for your pet", "",
             ("cats", "bring in a cat", ""),
             ("dogs", "bring in a dog", ""),
             ("birds and rabbits", "bring in a bird or a rabbit", "")),
            ("emergencies", "reach the doctor on call", "your pet has eaten something poisonous"),
            ("grooming", "have your dog washed", ""),
            ("test results", "ask for test results", "you are waiting for test results"),
            ("boarding", "leave your pet with us overnight", ""),
        ),
        numbers=("five digit patient number", "phone number starting with the area code"),
        facts=(
            "Puppies need three shots before they are four months old.",
            "Boarding costs thirty five dollars a night for one cat.",
            "Our groomer is here every Tuesday and Thursday after one o'clock.",
        ),
        news=(
            "This Saturday is our free rabies clinic.",
            "The road to our front door is being repaired. Please use the gate on Elm Street.",
        ),
        staff="receptionist",
    ),
    Trade(
        names=("City of Marlow", "Town of Westbrook"),
        topics=topics(
            ("trash and recycling", "ask about trash pickup", "your trash was not picked up",
             ("missed pickup", "report a missed pickup", ""),
             ("large items", "get rid of furniture", "")),
            ("parking tickets", "pay a parking ticket", "you have a parking ticket"),
            ("building permits", "apply for a permit", "",
             ("fences and decks", "build a fence", ""),
             ("swimming pools", "put in a pool", "")),
            ("potholes", "report a pothole", "you have found a hole in the road"),
            ("the mayor's office", "leave word for the mayor", ""),
            ("water service", "turn the water on or off", ""),
        ),
        numbers=("nine digit ticket number", "parcel number of your property"),
        facts=(
            "City hall is at 1 Main Street, on the second floor.",
            "Large items are collected on the first Wednesday of each month.",
            "In an emergency hang up and dial nine one one.",
        ),
        news=(
            "The public meeting of the council begins at seven tonight.",
            "Leaves are picked up in zones one and two this week.",
        ),
        staff="city clerk",
    ),
    Trade(
        names=("Pacific Cable and Internet", "Lantern Broadband"),
        topics=topics(
            ("technical support", "get help with a problem", "something does not work",
             ("slow internet", "speed up your internet", "your internet is slow",
              ("wireless problems", "fix your wireless network", ""),
              ("wired connections", "check the cable", "")),
             ("television", "get help with your television", "you have no picture"),
             ("telephone", "get help with your telephone", "")),
            ("moving", "take your service to a new home", "you are moving"),
            ("new customers", "sign up", "you are a new customer"),
            ("payments", "pay your bill", "",
             ("credit or debit cards", "pay with a card", ""),
             ("payment arrangements", "ask for more time", "")),
            ("equipment returns", "send back your equipment", ""),
        ),
        numbers=("phone number on your account", "sixteen digit account number"),
        facts=(
            "Unplug the modem, count to thirty, and plug it in again.",
            "Technicians visit between eight and noon or between one and five.",
            "Equipment may be left at any of our 14 stores.",
        ),
        news=(
            "We know of an outage on the east side and expect to fix it by four this afternoon.",
            "Prices for some packages changed on March first.",
        ),
        staff="specialist",
    ),
    Trade(
        names=("Corner Drugs", "Wellspring Pharmacy"),
        topics=topics(
            ("prescriptions", "refill a prescription", "you take this medicine already",
             ("pickup", "pick it up at the store", ""),
             ("home delivery", "have it delivered", "")),
            ("flu shots", "schedule a flu shot", ""),
            ("doctors and nurses", "phone in a prescription", "you are calling from a doctor's office"),
            ("photo orders", "order photos", ""),
            ("store hours", "hear when the store is open", ""),
        ),
        numbers=("seven digit prescription number", "date of birth as eight digits"),
        facts=(
            "The pharmacy is open from nine to nine, and from ten to six on Sunday.",
            "Flu shots are given every weekday, and cost nothing with most plans.",
            "Photos are ready in one hour.",
        ),
        news=(
            "Flu shots are now available without an appointment.",
            "Sign up for text messages and save two dollars on your next order.",
        ),
        staff="pharmacist",
    ),
    Trade(
        names=("Northgate School District", "Lincoln Middle School"),
        topics=topics(
            ("attendance", "report an absence", "your child is sick today"),
            ("bus routes", "ask about the school bus", "your bus is late",
             ("morning buses", "ask about a morning bus", ""),
             ("afternoon buses", "ask about an afternoon bus", "")),
            ("the cafeteria", "hear this week's lunch menu", ""),
            ("the nurse", "leave medicine with the nurse", ""),
            ("enrollment", "enroll a student", "you are new to the district",
             ("kindergarten", "enroll in kindergarten", ""),
             ("other grades", "enroll in another grade", "")),
            ("athletics", "hear about sports", ""),
        ),
        numbers=("student number", "four digit room number"),
        facts=(
            "Lunch today is chicken soup, and lunch tomorrow is pizza.",
            "The game on Friday starts at six thirty, and the bus leaves at four.",
            "Classes begin at ten past eight for grades six to eight.",
        ),
        news=(
            "There is no school next Monday.",
            "Report cards for the second quarter were mailed on Friday.",
        ),
        staff="school secretary",
    ),
    Trade(
        names=("Sturdy Tools", "Kettle and Pan"),
        topics=topics(
            ("orders", "place an order", "",
             ("catalog orders", "order from our catalog", ""),
             ("business orders", "order for a business", "")),
            ("order status", "track a package", "you are waiting for a package"),
            ("returns", "return something you bought", "you want your money back"),
            ("replacement parts", "order spare parts", "",
             ("lids and handles", "replace a lid or a handle", ""),
             ("motors and blades", "replace a motor or a blade", "")),
            ("gift cards", "check a gift card", ""),
            ("careers", "apply for a job", ""),
        ),
        numbers=("order number, which begins with a seven", "zip code"),
        facts=(
            "You have 90 days to return anything, with or without the box.",
            "Two day shipping is free for orders over fifty dollars.",
            "We are hiring for the night shift. Pay starts at twenty dollars an hour.",
        ),
        news=(
            "Everything in the summer catalog is now half price.",
            "Packages may be late because of the storm.",
        ),
        staff="customer care agent",
    ),
    Trade(
        names=("Summit Insurance", "Old Harbor Mutual"),
        topics=topics(
            ("claims", "file a claim", "you have had an accident",
             ("auto claims", "report a car accident", ""),
             ("storm damage", "report storm damage", ""),
             ("glass repair", "have a windshield repaired", "")),
            ("quotes", "get a free quote", "you would be a new customer"),
            ("identification cards", "get a new insurance card", ""),
            ("policy changes", "add a driver or a car", ""),
            ("roadside help", "call a tow truck", "you are stuck on the road"),
        ),
        numbers=("ten digit policy number", "claim number"),
        facts=(
            "An adjuster will see you within two business days.",
            "Tow trucks come within 45 minutes in most places.",
            "New cards are mailed in three to five days.",
        ),
        news=(
            "We have opened a mobile office for those hit by the flood.",
            "You can now send pictures of the damage from your phone.",
        ),
        staff="licensed agent",
    ),
    Trade(
        names=("Starlight Cinema", "The Regent Theater"),
        topics=topics(
            ("show times", "hear what is playing", "",
             ("tonight", "hear about tonight", ""),
             ("the weekend", "hear about the weekend", "")),
            ("birthday parties", "plan a birthday party", ""),
            ("lost and found", "look for something you lost", "you left something behind"),
            ("season tickets", "buy season tickets", ""),
            ("directions and parking", "learn where to park", ""),
        ),
        numbers=("number on your gift certificate", "month and day of the show"),
        facts=(
            "Doors open at one fifteen. Tickets are nine dollars, and six for children.",
            "The orchestra plays at eight tonight and at two on Sunday.",
            "Parking is free in the garage on Third Avenue after five.",
        ),
        news=(
            "Screen four is closed for repairs.",
            "Children see the first show on Saturday for one dollar.",
        ),
        staff="box office clerk",
    ),
)

SPANISH = (
    "Gracias por llamar. En este momento nuestras oficinas están cerradas. Adiós.",
    "Bienvenido. Por favor, llame mañana por la mañana. Muchas gracias.",
)

GREETINGS = (
    "Thank you for calling {name}.",
    "Welcome to {name}.",
    "Hello, and welcome to {name}.",
    "You've reached {name}.",
    "This is the automated line of {name}.",
    "Good day. You are connected with {name}.",
)

# Said between the greeting and the options.
ASIDES = (
    "",
    "",
    "Please listen carefully, as our options have changed.",
    "Calls may be monitored for quality.",
    "If you know your party's extension, you may dial it at any time.",
    "You can also visit us online, 24 hours a day, 7 days a week.",
    "Please choose from the following.",
    "Make your selection at any time.",
)

# How an option is said. Those that begin with a key name no thing before it.
THINGS = (
    "For {noun}, press {key}.",
    "Press {key} for {noun}.",
    "For {noun}, press or say {key}.",
    "For {noun}, dial {key}.",
    "{Noun}, press {key}.",
    "For {noun}, please press {key} now.",
    "For {noun}, choose {key}.",
    "Dial {key} for {noun}.",
    "For {noun}, press the number {key}.",
)
DEEDS = (
    "To {deed}, press {key}.",
    "Press {key} to {deed}.",
    "To {deed}, please press {key}.",
    "If you would like to {deed}, press {key}.",
    "To {deed}, dial {key}.",
    "Press {key} if you wish to {deed}.",
    "To {deed}, press {key} on your keypad.",
    "To {deed}, select {key}.",
)
CASES = (
    "If {case}, press {key}.",
    "If {case}, please press {key}.",
    "Press {key} if {case}.",
)
# The verb is said with the first option only.
SHORT_FIRST = "For {noun}, press {key};"
SHORT_NEXT = "for {noun}, {key};"

OPERATOR = (
    ("For the operator, press {key}.", "operator"),
    ("To speak to a {staff}, press {key}.", "speak to a {staff}"),
    ("For all other questions, press {key}.", "all other questions"),
    ("Press {key} to talk to a person.", "talk to a person"),
    ("For anything else, press {key}.", "anything else"),
)
OPERATOR_OR_WAIT = (
    ("To reach a {staff}, press {key}, or stay on the line.", "reach a {staff}"),
    ("For all other calls, press {key} or simply hold.", "all other calls"),
)
BACK = (
    ("To return to the main menu, press {key}.", "return to the main menu"),
    ("For the main menu, press {key}.", "main menu"),
    ("Press {key} to go back to the beginning.", "go back to the beginning"),
    ("To start over, press {key}.", "start over"),
)
UP = (
    ("To return to the previous menu, press {key}.", "return to the previous menu"),
    ("Press {key} to go back one step.", "go back one step"),
)
AGAIN = (
    ("To hear this again, press {key}.", "hear this again"),
    ("To repeat these options, press {key}.", "repeat these options"),
    ("Press {key} to hear the choices once more.", "hear the choices once more"),
)
SUB_HEADS = (
    "",
    "{Noun}.",
    "You have chosen {noun}.",
    "You are in the menu for {noun}.",
    "Okay, {noun}.",
)
LANGUAGE = (
    ("For English, press {key}.", "For Spanish, press {key}."),
    ("Press {key} for English.", "Press {key} for Spanish."),
    ("To continue in English, press {key}.", "To continue in Spanish, press {key}."),
)

INPUTS = (
    "Please enter your {number}.",
    "Please enter your {number}, followed by the pound key.",
    "About {noun}: please key in your {number}, and then press the pound sign.",
    "So that we can help you with {noun}, type in your {number} now.",
    "I need your {number}. Enter it on your telephone keypad.",
    "Using your keypad, please enter your {number}. When you are finished, press pound.",
)
TRANSFERS = (
    "Please hold while I connect you.",
    "I will now transfer you to someone who knows about {noun}.",
    "One moment. Your call is being forwarded to {noun}.",
    "Thank you. Please wait while we put you through to a {staff}.",
    "Connecting you now to {noun}.",
)
QUEUES = (
    "Thank you for your patience. A {staff} will be with you as soon as possible.",
    "All lines for {noun} are busy. Please stay on the line, and your call will be answered in turn.",
    "There are three callers ahead of you. Your estimated wait is six minutes.",
    "Your call about {noun} is important to us. Please hold for the next available {staff}.",
)
VOICEMAILS = (
    "Nobody is here to talk about {noun} right now. Please leave a message after the tone.",
    "You've reached the voice mailbox for {noun}. At the beep, tell us your name and number.",
    "Sorry we missed your call. Please record your message after the beep, and hang up when you are done.",
    "Our desk for {noun} is unattended. Leave your name and a short message at the tone.",
)
ANNOUNCEMENTS = (
    "{fact} Goodbye.",
    "{fact} Thank you for calling.",
    "Here is what we know about {noun}. {fact} Thanks, and goodbye.",
    "{fact} To learn more about {noun}, please visit our website. Goodbye.",
)
NOT_IN_SERVICE = "We're sorry. The number you have reached is not in service at this time."
INVALIDS = (
    "That is not a valid option.",
    "Sorry, I didn't get that.",
    "Invalid selection. Please try again.",
    "The key you pressed is not on this menu.",
    "I'm sorry, that entry was not recognized.",
)
GOODBYES = (
    "Thank you for calling. Goodbye.",
    "We did not hear from you. Please call back later.",
    "Goodbye.",
)
PEOPLE = (
    "Hello? This is Karen speaking, how can I help you?",
    "Good morning, Dave here.",
    "Hello?",
    "Front office, may I help you?",
)
TWICE = ("Once again.", "I'll repeat that.", "Let me say that again.")
EARLY = ("Please wait while your call is being connected.", "Your call will be recorded.")
