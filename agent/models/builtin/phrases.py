# ruff: noqa: E501 - word lists and sentences read best unbroken
"""Stock sentences of generated dialogues."""

from __future__ import annotations

from typing import Final

ASKS: Final = (
    "What is your {a}?", "What is the {a}?", "Could you give me the {a}?", "And the {a}?",
    "May I have the {a}, please?", "Which {a} is it?", "Do you have the {a}?", "Please tell me the {a}.",
    "I also need the {a}.", "Can you confirm the {a}?", "What's the {a}?", "What {a} do you have?",
    "And what about the {a}?", "What would the {a} be?", "Next, the {a} please.", "Your {a}?",
    "Do you know the {a}?", "Could I get your {a}?", "I'm still missing the {a}.",
)  # fmt: skip

NAMED_ASKS: Final = (
    "Do you have the name of the {a}?", "Who's the {a}?", "And who is the {a}?", "Which {a} came?",
    "Who is going to be the {a}?", "What's the {a} called?", "Do you remember the {a}?",
    "Which {a} did they send?", "Who was the {a}?",
)  # fmt: skip
THING_ASKS: Final = (
    "Which {a} is it?", "What sort of {a} is it?", "And which {a} is he with?", "Which {a} do you have?",
    "Did they give you a {a}?", "Was there a {a}?", "Did you get a {a}?", "Is there a {a}?",
)  # fmt: skip

NATURAL_ASKS: Final[dict[str, tuple[str, ...]]] = {
    "date of loss": ("When did it happen?", "When did the damage occur?"),
    "loss date": (
        "When did the loss happen?",
        "When did it happen?",
        "On what day did it occur?",
        "When was that?",
    ),
    "accident date": (
        "When did the accident happen?",
        "When did you crash?",
        "When was the accident?",
    ),
    "repair shop": ("Where is the car now?", "Who repairs the car?", "Where did you take it?"),
    "garage": ("Where does the car stand?", "Who is fixing it?"),
    "phone number": ("How can I reach you?", "On which number can we call you?"),
    "e-mail address": ("Where should I write to?", "Where can we send the papers?"),
    "address": ("Where do you live?", "Where is it?"),
    "home address": ("Where do you live?",),
    "vehicle": ("What do you drive?", "Which car is it?"),
    "damage": ("What is broken?", "What happened to it?"),
    "injury": ("Were you hurt?", "What did the doctor find?"),
    "witness": ("Did anybody see it?", "Who saw it?"),
    "driver": ("Who was driving?", "Who was at the wheel?"),
    "cause of loss": ("How did it happen?", "What caused it?"),
    "hospital": ("Where were you treated?", "Where did they take you?"),
    "place of the accident": (
        "Where did the accident happen?",
        "And where did it happen?",
        "Where did it happen?",
        "Where was it?",
    ),
    "IBAN": ("Where should we send the money?", "Which account shall we use?"),
    "adjuster": ("Who is going to handle it?", "Who will look at it?"),
    "payout amount": ("How much will I get?", "What will you pay?"),
    "repair cost": ("What does it cost to fix?", "How much is the repair?"),
    "deadline": ("By when do you need it?", "How much time do I have?"),
    "destination": ("Where do you want to go?", "Where to?"),
    "departure city": ("Where do you leave from?", "Where do you start?"),
    "departure date": ("When do you want to leave?", "What day do you leave?"),
    "return date": ("When do you come back?",),
    "party size": ("How many people?", "For how many?"),
    "number of guests": ("How many of you are there?",),
    "cuisine": ("What kind of food would you like?",),
    "city": ("In which city?", "Where should I look?"),
    "date": ("On which day?", "When would you like it?"),
    "time": ("At what time?", "What time do you prefer?"),
    "movie": ("What would you like to see?",),
    "amount": ("How much would you like to send?",),
    "recipient": ("Who is it for?", "To whom?"),
    "hobby": ("What do you do at weekends?",),
    "pet": ("Do you have any animals?",),
    "start date": ("When do you start?",),
    "manager": ("Who do you report to?",),
    "carrier": ("Who brings it?",),
    "venue": ("Where is it held?",),
}

ANSWERS: Final = (
    "It's {v}.", "{v}.", "{v}", "Sure, {v}.", "That would be {v}.", "It is {v}.", "Yes, {v}.",
    "Of course. It's {v}.", "Let me see... {v}.", "That's {v}.", "I think it's {v}.", "{v}, I believe.",
    "It says {v} here.", "I have {v}.", "Here it is: {v}", "Sure. {v}.", "One moment. It's {v}.",
    "Uh, {v}.", "The {a} is {v}.", "My {a} is {v}.", "{v} please.", "Make it {v}.", "Okay, {v}.",
)  # fmt: skip

PERSON_ANSWERS: Final = (
    "His name is {v}.", "Her name is {v}.", "That's {v}.", "He's called {v}.", "She's called {v}.",
    "They sent {v}.", "It was {v}.", "Someone called {v}.", "I spoke to {v}.", "That would be {v}.",
)  # fmt: skip
THING_ANSWERS: Final = (
    "A {v}.", "It's a {v}.", "It's the {v}.", "It was {v}.", "It's with {v}.", "From {v}.", "They are {v}.",
    "At {v}.", "On {v}.", "It is on {v}.", "It's at {v}.", "He did. It's {v}.", "Yes, they did. {v}.",
)  # fmt: skip
TAILS: Final = (
    ", I think", ", if I remember right", ", as far as I know", ", more or less", ", by the way",
    ", near the church", ", on the way to school", ", any time after two", ", in case he asks for it",
    ", and we pay that", ", with paint and parts", ", right by the chemist", ", if that works for you",
    ", like last year", ", next to the taxis", ", before you ask", ", my sister", " in the end",
    " on this policy", ", the big one", ", and not a day later", ", so it says here", " for now",
    ", because it rained", ", when nobody was home", " last May", ", not even five years old",
)  # fmt: skip

WHO: Final = (
    "my sister", "the dog", "our neighbour", "the man in the shop", "my boss", "the kids", "my flatmate",
    "the postman", "the whole street", "my mother", "the cat", "that lamp", "the ceiling", "the old heater",
    "the app", "the radio", "nobody", "everybody", "the driver in front", "my daughter", "the weather",
    "the waiting room", "the system", "the printer", "the team", "the nurse", "someone", "the lady upstairs",
)  # fmt: skip
DID: Final = (
    "was in the back", "hates the rain", "laughed about it", "thought it was great fun", "never picks up",
    "made a terrible noise", "kept dripping all night", "swore nobody could break it", "is still shaking",
    "has a strong opinion about it", "wants to know everything", "did not sleep well", "looked the other way",
    "told me to call", "will be pleased to hear that", "is always late", "cried a little", "took a photo",
    "cleaned the whole place", "could not believe it", "is slow today", "works again", "needs a new one",
    "went dark at once", "said the same thing", "was very kind about it", "only copied what was there",
)  # fmt: skip
THEN: Final = (
    "", "", "", ", to be fair", ", I promise", " last night", ", believe me", " and so did I", " before lunch",
    " in the end", ", what a day", " for an hour", ", which is nice", " again", ", luckily", ", of course",
    " on the way home", " while we were out", ", I'm told", ", and that was that",
)  # fmt: skip

TELLS: Final = (
    "My {a} is {v}.", "The {a} is {v}.", "I have {v} as the {a}.", "Please note the {a}: {v}.",
    "{A}: {v}.", "For the {a} put {v}.", "The {a} should be {v}.", "It says {v} under {a}.",
    "Our {a} is {v}.", "As for the {a}, it's {v}.", "The {a} would be {v}.", "Your {a} is {v}.",
    "I can see the {a} here, it is {v}.", "We set the {a} to {v}.", "By the way, the {a} is {v}.",
    "The {a} was {v}.", "I wrote down {v} for the {a}.", "{v} is the {a}.", "The {a} will be {v}.",
    "Make the {a} {v}.", "Then the {a} is {v}.", "If all goes well, the {a} is {v}.", "And the {a} is {v}.",
    "Yes, the {a} was {v}.", "The {a} comes from {v}.", "Well, the {a} is {v}.", "So the {a} is {v}.",
    "The {a} I have is {v}.", "You'll find that the {a} is {v}.", "My {a} was {v}.", "Our {a} was {v}.",
    "Their {a} is {v}.", "The {a} is currently {v}.", "I was told the {a} is {v}.",
    "With {v} as the {a}.", "The {a} stays at {v}.", "They told me the {a} is {v}.",
)  # fmt: skip

NAMED_TELLS: Final = (
    "{s}'s {a} is {v}.", "The {a} of {s} is {v}.", "The {a} for {s} is {v}.", "{s} has {v} as {a}.",
    "For {s} the {a} is {v}.", "{s} gave {v} as the {a}.", "{s}: {a} {v}.",
    "I spoke to {s}, the {a} is {v}.", "Put {v} as the {a} of {s}.", "As to {s}, the {a} is {v}.",
)  # fmt: skip

PRONOUN_TELLS: Final = (
    "Her {a} is {v}.", "His {a} is {v}.", "Their {a} is {v}.", "The {a} there is {v}.", "Its {a} is {v}.",
)  # fmt: skip

CONFIRMS: Final = (
    "So the {a} is {v}, right?", "Let me repeat: {a} {v}.", "I noted {v} as the {a}.",
    "Thank you, {v} it is.", "Alright, {v}.", "You said {v}?", "Please confirm: the {a} is {v}.",
    "Got it, {v}.", "Thanks. {v}, noted.", "That is {a} {v}, correct?",
)  # fmt: skip

CORRECTIONS: Final = (
    "Sorry, it is {v}, not {w}.", "No, it's {v}.", "Sorry, I misspoke. The {a} is {v}.",
    "Not {w}, it's {v}.", "No wait, {v} instead of {w}.", "Actually, make that {v}.",
    "I made a mistake, the {a} is {v}, not {w}.", "Correction: the {a} is {v}.",
    "No, not {w}. {v}.", "That's wrong, it should be {v}.", "Hmm, no, {v}. Forget {w}.",
    "Sorry, {v}, not {w}.", "Please change {w} to {v}.", "It isn't {w} but {v}.",
)  # fmt: skip

NAME_TELLS: Final = (
    "My name is {v}.",
    "This is {v} speaking.",
    "I'm {v}.",
    "{v} here.",
    "I am {v}.",
)

OPENERS: Final = (
    "Hello.", "Good morning.", "Hi there.", "Sure.", "Okay.", "Well,", "Thank you.", "Yes.", "Of course.",
    "Right.", "Thanks for calling.", "No problem.", "I see.", "Oh, and", "Let me check.", "Good question.",
    "Great.", "Perfect.", "All right.", "Understood.", "Sorry to hear that.", "Good afternoon.",
)  # fmt: skip

CLOSERS: Final = (
    "Thanks.", "Is that okay?", "Does that help?", "What else do you need?", "Can you note that?",
    "Let me know if that works.", "Please write that down.", "Anything else?", "I hope that's right.",
    "Shall we go on?", "Do you need anything more?", "Thank you very much.", "That's all I know.",
)  # fmt: skip

CHATTER: Final = (
    "Hello, how can I help you?", "Good morning, what can I do for you today?", "Thank you very much.",
    "Yes, that's right.", "No, that's all for now.", "Is there anything else I can help you with?",
    "Let me look that up, one moment please.", "Okay, thanks.", "Have a great day!", "You're welcome.",
    "I'm sorry to hear that. Are you all right?", "Yes, please go ahead.", "That sounds good to me.",
    "Could you hold the line for a moment?", "I'm not sure, I would have to look.", "Sure, no problem.",
    "Can you tell me what happened?", "I was quite shocked, to be honest.", "The weather is awful today.",
    "I really appreciate your help.", "Can you hear me?", "Sorry, you were breaking up.",
    "I have already told your colleague.", "I don't have that at hand right now.", "No.", "Yes.",
    "Do you have any photos?", "I will send them later.", "That's correct.", "All right, I have noted that.",
    "What do I have to do next?", "We will get back to you.", "Nobody was hurt, luckily.",
    "Can I ask you something else?", "Of course, what would you like to know?", "I understand.",
    "How long will that take?", "It depends on how busy they are.", "Do they have live music?",
    "They do not.", "Any other suggestions?", "Would you like me to book it?", "Yes, please do.",
    "Not at the moment.", "I'd like to report a claim.", "I want to change something in my booking.",
    "I need to find a place to eat.", "I'd like to book a ticket.", "Did you receive my letter?",
    "I can't find it in the system.", "Let me put you through.", "Who should I talk to?",
    "Thanks for waiting.", "I'm afraid that is not possible.", "Why is that?", "That is a pity.",
    "Let me check with my manager.", "Please be patient.", "I hope it gets sorted out soon.",
    "Is it urgent?", "It is rather urgent, yes.", "Good, then we are done here.", "Take care. Goodbye.",
    "Would you like to hear about our offers?", "No thank you, maybe another time.", "Sounds perfect.",
    "Your reservation was successful.", "Sorry, I couldn't make the booking.", "Great, thank you so much!",
    "Please confirm the details.", "I will take care of it.", "You can find everything in the app.",
    "Do I need to sign anything?", "Only the form that I will send you.", "The line was busy all day.",
    "I'd rather not say.", "I can't remember it right now.", "Could you repeat that, please?",
    "Let us start with your data.", "There is some damage, but it still drives.", "It was not my fault.",
    "He just drove away.", "I parked it as always.", "Then I called the police.", "It was dark already.",
    "That will do. Bye.", "Nice to hear from you again.", "We are almost finished.", "What do you think?",
    "I don't know that.", "It is not on the form.", "I'd have to ask my wife.", "My husband has the papers.",
)  # fmt: skip

SMALL_TALK: Final = (
    "Phew.", "Ha, exactly.", "Fair enough.", "Will do.", "Got it.", "That's fine.", "Lovely.", "Perfect.",
    "I've never done this before.", "It's a horrible junction.", "You have been busy.", "My lips are sealed.",
    "You've no idea how happy that makes me.", "Hang on, the letter is on the fridge.", "Well done.",
    "I've got a pen somewhere, but none of them works.", "Have you got a pen?", "Go on.", "What a mess.",
    "Texts are better, I can't pick up at work.", "They do a lot of work for us.", "Say hello from me.",
    "You only pay for the petrol.", "That saves us a week of letters.", "I counted it twice.",
    "He gave me their card.", "She looks after most of our cases.", "It hurt both times.", "Seven is fine.",
    "How long does this take?", "A week or two if the papers are complete.", "Is she strict?", "Fair, I'd say.",
    "We're shut on Sundays.", "I was on to them at six this morning.", "Let me chalk it on the board.",
    "I'll note that as what you told me.", "Will she come out to us?", "Do I get something to drive?",
    "Put a sheet over them if you can.", "They put it in, back then.", "I drive past it every day.",
    "That's everything for now.", "Did he leave you anything in writing?", "Did the police come out?",
    "I believe you.", "No harm done.", "Worth a try.", "I queued for an hour.", "Then here is the receipt.",
    "Where would you like it repaired?", "Somewhere near the ring road, if you can.", "Can I take your name?",
    "I've put that in.", "You've been very kind.", "One second while I open the file.", "Let me think.",
    "Is she nice?", "She is, and nothing gets past her.", "They have space next week.", "That was quick.",
    "I only need a few more details.", "Then we have it all.", "Shall I spell it?", "I can hear you now.",
    "The coffee machine broke, too.", "So what I paid minus my part?", "Exactly that.", "And when would it come?",
    "Keep the pieces until somebody has seen them.", "Half the street went dark.", "I know them.",
    "I don't want to drive it far.", "Two of them were missing.", "It was on a Sunday, of all days.",
)  # fmt: skip

ASIDES: Final = (
    "Somebody drove into it yesterday.", "Just shaken.", "Glad to hear it.", "Very apologetic, all in all.",
    "She is, and she knows what she wants.", "I'd pictured myself on a boat with a trumpet.", "Not really.",
    "He'll text you before it goes in.", "She looks after most of these files.", "That is a good start.",
    "There you are.", "It's active, so that's good.", "I walk past it on my way to work.", "Is she in today?",
    "It was the best thing ever, he thought.", "They were gone when I came back.", "Never seen it before.",
    "You'd think somebody would have noticed.", "I can smell it from here.", "Do they always do that?",
    "My head still hurts a bit.", "We had just painted it.", "It's older than my car.", "Ask me tomorrow.",
    "I'd like that in writing, please.", "They charge you for the air these days.", "Take your time.",
    "The last one was a disaster.", "You sound tired.", "It has been that kind of week.", "We laughed a lot.",
    "The bus was late and so was I.", "I've been a customer for ages.", "Everything is soaked.", "Not a word.",
    "She makes the best bread in town.", "That's what friends are for.", "I'm only asking for a neighbour.",
    "I put a bucket under it.", "The bucket is full by now.", "He said it would be fine.", "It wasn't fine.",
    "Please don't forget the photos.", "I took about a hundred of them.", "The blue one or the other one?",
    "The other one, I think.", "Only if it's no trouble.", "It's no trouble at all.", "Let me read that back.",
    "Sounds about right.", "Would Thursday do?", "Mornings are better for us.", "We close early on Fridays.",
    "I was going to say the same.", "Then I'll leave you in peace.", "Don't let me keep you.", "My pleasure.",
    "The form is on our website.", "I printed it, but the ink ran out.", "A letter would be better.",
    "My handwriting is terrible.", "Nobody can read it, not even me.", "I still have the old one somewhere.",
    "It rang and rang.", "Nobody picked up.", "You were on your break, perhaps.", "Lunch is sacred here.",
    "The lift is out of order again.", "I took the stairs.", "Three floors up, with all the boxes.",
    "That would be wonderful.", "I don't want to be a nuisance.", "You're not.", "We hear that a lot.",
    "He wants a rental, not a bicycle.", "A bicycle would do me good.", "What a view you must have.",
    "Careful, the line is bad.", "I'm in the cellar.", "Now I'm outside.", "Better?", "Much better.",
    "It sounded like thunder.", "Then there was silence.", "The lights went out one by one.", "How strange.",
    "I'd better write that down.", "Done.", "Where were we?", "You were about to ask me something.",
    "Was there anything in it?", "Only old clothes and a lamp.", "The lamp was ugly anyway.", "Poor thing.",
    "She'll be over the moon.", "Tell her I said so.", "Nobody told me about that.", "It's in the small print.",
    "I never read the small print.", "Who does?", "That makes two of us.", "So I've heard.", "It comes and goes.",
    "First the noise, then the smell.", "We turned everything off at once.", "Good thinking.", "One never knows.",
    "They promised to ring back and never did.", "I'll chase them for you.", "You're a star.", "Off you go, then.",
)  # fmt: skip

ADDRESSES: Final = (
    "Thank you, {n}.", "You're welcome, {n}.", "Good luck, {n}.", "Hello {n}.", "Sorry, {n}.", "Okay, {n}.",
    "{n}, are you still there?", "Thanks {n}.", "Take care, {n}.", "{n} will text you.", "Ask {n} about it.",
    "Welcome to the desk, {n}.", "One moment, {n}.", "I'll tell {n}.", "See you, {n}.",
)  # fmt: skip

DISTRACTIONS: Final = (
    ("{v}, claims desk, {n} speaking. How can I help?", "insurer"), ("You have reached {v}.", "company"),
    ("Good morning, {v}, {n} speaking.", "company"), ("{v}, good afternoon, what can I do for you?", "insurer"),
    ("I have {v} of them and none works.", "count"), ("It took {v} to get through.", "duration"),
    ("That was on a {v}, of all days.", "weekday"), ("I tried {v} times.", "count"),
    ("I've got {v} pens and none of them works.", "count"), ("My son is {v} now.", "count"),
    ("Well, {v} with a white stripe now.", "colour"), ("I only had {v} in my pocket.", "money"),
    ("I was at {v} with {n} last week.", "restaurant"), ("Give me {v}, please.", "duration"),
    ("I have been waiting for {v}.", "duration"), ("I already called at {v}.", "time"),
    ("My colleague {v} is on holiday.", "person"), ("My neighbour from {v} says hello.", "town"),
    ("It will only take {v}.", "duration"), ("Do you know {v}?", "person"),
    ("The coffee here costs {v}, by the way.", "money"), ("I read about that in {v}.", "year"),
    ("We are open until {v}.", "time"), ("You are number {v} in the queue.", "count"),
    ("A friend paid {v} for something like that.", "money"), ("I think I saw {v} on the news.", "town"),
    ("Is it true what they say about {v}?", "company"), ("I'll ring you back in {v}.", "duration"),
)  # fmt: skip
