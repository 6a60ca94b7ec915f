# ruff: noqa: E501, SIM905 - word lists and sentences read best unbroken
"""What generated facts are about: domains, their attributes and natural sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Domain:
    """One field of work: how its records are called, who talks, what is noted down."""

    nouns: tuple[str, ...]
    speakers: tuple[tuple[str, str], ...]
    attributes: tuple[tuple[str, str], ...]
    """Pairs (attribute, kind of value)."""


def _domain(nouns: str, speakers: str, attributes: str) -> Domain:
    pairs = [tuple(pair.split("/")) for pair in speakers.split(",")]
    table: list[tuple[str, str]] = []
    for group in attributes.split(";"):
        kind, _, names = group.strip().partition(":")
        table += [(" ".join(name.split()), kind) for name in names.split(",")]
    return Domain(tuple(nouns.split(",")), tuple((a, b) for a, b in pairs), tuple(table))


DOMAINS: Final[dict[str, Domain]] = {
    "insurance": _domain(
        "claim,claim,claim,policy,case",
        "agent/customer,Agent/Customer,adjuster/customer,handler/claimant,clerk/caller,claims desk/"
        "policyholder",
        """code: claim number,policy number,police report number,case number,reference,customer number,
        file number,invoice number; money: deductible,excess,payout amount,coverage limit,repair cost,
        repair estimate,claim amount,reserve,settlement amount,premium,damage amount,rental allowance,
        market value,invoice amount; date: loss date,date of loss,inspection date,deadline,
        payment date,policy start,report date,incident date,accident date,appointment date,
        renewal date; person: adjuster,claimant,witness,policyholder,driver,surveyor,claims handler,
        contact person,assessor,other driver,beneficiary,lawyer; garage: repair shop,garage,body shop,
        workshop,towing company; phone: phone number,mobile number,contact number,callback number;
        email: e-mail address,email,e-mail; address: address,home address,postal address,accident location,
        loss address; plate: plate,licence plate,registration number; vehicle: vehicle,rental car,
        other vehicle,car model; damage: damage,type of damage; injury: injury; cause: cause of loss,
        cause; cover: cover,type of cover,policy type; iban: IBAN,bank account,account number;
        hospital: hospital,clinic; insurer: insurer,other insurer,previous insurer,liability insurer;
        status: status,claim status; time: inspection time,appointment time,time of the accident;
        town: place of the accident,city; duration: waiting period,rental period,repair time;
        percent: liability share,depreciation,no-claims bonus; year: year of manufacture; place: place of
        damage; part: damaged part,replacement part; payment: payment method; measure: mileage""",
    ),
    "travel": _domain(
        "booking,reservation,trip,ticket",
        "user/system,agent/traveller,clerk/guest,USER/SYSTEM,assistant/user",
        """town: destination,departure city,origin,city,destination city; date: departure date,return date,
        check-in date,check-out date,travel date,arrival date; time: departure time,arrival time,
        check-in time,boarding time,pickup time; flight: flight number,return flight,train number;
        hotel: hotel,hotel name; carrier: airline,carrier; money: fare,total price,price per night,
        ticket price,deposit,rent; code: booking code,confirmation number,ticket number,reservation number;
        count: number of guests,number of travellers,party size,number of rooms,number of bags;
        room: gate,platform,seat,seat number; room_type: room type; duration: length of stay,layover;
        phone: phone number,hotel phone; address: street address,hotel address,pickup address; person:
        passenger,guest,tour guide; vehicle: rental car,car type; percent: cancellation fee;
        diet: special meal; payment: payment method""",
    ),
    "restaurant": _domain(
        "booking,table,order,reservation",
        "user/system,host/guest,waiter/guest,assistant/user,customer/waiter",
        """restaurant: restaurant,restaurant name,venue; cuisine: cuisine; time: reservation time,time,
        delivery time; date: date,reservation date; count: party size,number of seats,number of people;
        town: city,location,area; phone: phone number; address: address,street address,delivery address;
        dish: dish,main course,dessert,starter; diet: diet,allergy; money: price,bill,tip,minimum order;
        person: guest,chef,waiter; room: table number; title: menu name; percent: discount""",
    ),
    "calendar": _domain(
        "meeting,event,appointment,workshop,review",
        "assistant/user,secretary/manager,organiser/participant,Lena/Tom,user/assistant",
        """date: date,meeting date,new date,deadline; time: start time,end time,time,start; room: room,
        meeting room; person: organiser,speaker,chair,host,participant,presenter; venue: venue,location;
        duration: duration,length; title: title,topic; count: number of participants;
        url: video link,meeting link; weekday: weekday; email: contact e-mail; department: team;
        money: ticket price,budget; town: city; subjectmatter: subject""",
    ),
    "staff": _domain(
        "employee,employee file,application,contract",
        "HR/employee,manager/HR,recruiter/candidate,HR partner/staff member",
        """money: salary,bonus,hourly wage,travel allowance; date: start date,birthday,end of probation,
        interview date,last working day,date of birth; department: department,team; role: job title,role,
        position; person: manager,supervisor,deputy,emergency contact,mentor,spouse; duration:
        notice period,vacation,parental leave,probation period; code: personnel number,badge number,
        tax number; iban: IBAN,salary account; room: desk,office; language: native language,
        second language; phone: extension,private phone,emergency phone; email: work e-mail,
        private e-mail; address: home address; percent: working time share,pension share;
        school: university,school; subjectmatter: degree subject; hobby: hobby; reason: reason for absence""",
    ),
    "it": _domain(
        "ticket,incident,server,laptop,account",
        "support/user,helpdesk/caller,technician/user,agent/user",
        """code: serial number,asset tag,ticket number,licence key,inventory number; system:
        operating system,platform; version: version,firmware version,client version; part: faulty part,
        spare part; person: technician,assignee,reporter,account owner; priority: priority,severity;
        room: location,office; email: user e-mail,account name; status: status; time: maintenance time,
        callback time; date: due date,warranty end,purchase date; url: server address,login page;
        department: department,support group; product: printer,device,laptop model,router;
        measure: disk space,memory; phone: phone extension; cause: root cause""",
    ),
    "logistics": _domain(
        "shipment,parcel,order,delivery,container",
        "dispatcher/driver,support/customer,warehouse/carrier,agent/sender",
        """code: tracking number,order number,container number,pallet number,customs number; carrier:
        carrier,courier,forwarder; date: delivery date,pickup date,loading date,shipping date;
        time: delivery time,pickup time,loading time; town: destination,origin,port,depot; measure: weight,
        length,load,volume; count: number of pallets,number of boxes,quantity; person: driver,recipient,
        sender,consignee; plate: truck plate,trailer plate; money: freight cost,customs duty,insured value,
        shipping fee; room: loading bay,dock; material: goods,contents; address: delivery address;
        status: status; reason: reason for the delay; temperature: storage temperature;
        company: supplier,customer,buyer""",
    ),
    "household": _domain(
        "tenancy,flat,house,contract,project",
        "landlord/tenant,agent/buyer,plumber/owner,neighbour/caretaker,Ana/Ben",
        """money: rent,deposit,purchase price,service charge,quote,heating cost; date: move-in date,
        handover date,end of lease,viewing date; address: address,new address; count: number of rooms,
        number of keys; measure: floor area,garden size,electricity use; person: landlord,tenant,
        caretaker,plumber,electrician,neighbour; phone: caretaker phone,phone number; code: meter number,
        contract number; company: power supplier,property manager; colour: wall colour,door colour;
        material: floor,worktop; animal: pet; iban: deposit account; room: parking space,flat number""",
    ),
    "health": _domain(
        "patient,appointment,visit,prescription",
        "nurse/patient,receptionist/patient,doctor/patient,user/system",
        """person: doctor,dentist,therapist,surgeon,next of kin; date: appointment date,surgery date,
        date of birth,next check-up; time: appointment time; medicine: medicine,allergy,medication; measure:
        weight,height; count: dose,number of sessions; hospital: clinic,hospital; insurer: health insurer;
        code: insurance number,patient number,prescription number; phone: practice phone,phone number;
        injury: injury,diagnosis; temperature: temperature; address: practice address; room: ward,room;
        duration: recovery time,length of stay""",
    ),
    "leisure": _domain(
        "booking,event,order,membership,concert",
        "user/system,USER/SYSTEM,clerk/customer,friend/user",
        """title: movie,song,album,event name,book,show,exhibition; venue: venue,theatre,cinema,
        event location; genre: genre,category; person: artist,director,author,actor,trainer,stylist;
        date: event date,show date,release date; time: show time,start time; count: number of tickets,
        number of players; money: ticket price,price,membership fee; address: venue address;
        percent: rating,discount; instrument: instrument; plan: plan,tariff; weather: weather;
        temperature: temperature; size: size; colour: colour; restaurant: restaurant; town: city;
        animal: mascot; hobby: hobby,sport; product: model,prize""",
    ),
    "finance": _domain(
        "invoice,account,loan,transfer,order",
        "bank/customer,adviser/client,accountant/client,user/system",
        """money: amount,balance,transfer amount,monthly rate,credit limit,total,overdue amount,fee;
        percent: interest rate,tax rate,discount; iban: IBAN,recipient account; bank: bank,recipient bank;
        person: recipient,account holder,payee,adviser; date: due date,booking date,invoice date,
        maturity date; code: invoice number,contract number,customer number,cost centre,order number;
        duration: term,payment term; company: supplier,creditor,recipient name; payment: payment method;
        status: status; plan: account type; email: billing e-mail""",
    ),
    "personal": _domain(
        "profile,contact,chat",
        "user/assistant,friend/friend,Mia/Jon,interviewer/guest,user/bot",
        """town: home town,city,birthplace; date: birthday,wedding day,anniversary; animal: pet;
        hobby: hobby,favourite sport; dish: favourite dish,favourite food; colour: favourite colour;
        person: sister,brother,best friend,teacher,partner,daughter,son; role: job,profession;
        company: employer; school: school,university; language: native language; instrument: instrument;
        vehicle: car; title: favourite film,favourite book; year: year of birth; phone: phone number;
        email: e-mail; address: address; count: number of children; genre: favourite music;
        subjectmatter: major""",
    ),
}

MODIFIERS: Final = tuple(
    """first second third main new old previous current final estimated official backup preferred
    agreed alternative requested confirmed revised internal local primary secondary total
    next last original expected""".split()
)
"""Words put before an attribute to make ones never listed ("revised repair estimate")."""

NOUNS: Final = tuple(
    """repair inspection delivery collection courtesy glass frame work outage report spare rental spoiled
    settlement hire paint wedding holiday garden kitchen roof boiler freezer engine bike boat piano train
    visa visit tax tower parking storage insurance battery camera cable permit export import loading
    customs training exam thesis grant patent server backup software garage towing accident damage theft
    claim payment refund order return transfer booking meeting interview opening closing launch festival
    concert rehearsal match season league team member visitor guest room table seat ticket menu wine tea
    coffee cake flour fish fruit fabric carpet window door lift stair wall floor heating water gas power
    solar pump valve filter sensor drone tractor harvest seed cattle horse vet dog cat travel luggage
    passport embassy hotel airport harbour ferry bus tram taxi cargo parcel letter stamp newspaper radio
    film stage costume museum library archive school pupil nursery clinic blood allergy dose therapy
    dental hearing lens wheelchair ambulance police court notary lease rent loan credit pension
    audit budget invoice contract supplier customer partner site plot bridge tunnel crane concrete""".split()
)
HEADS: Final = (
    ("number", "code"), ("code", "code"), ("reference", "code"), ("date", "date"), ("date", "date"),
    ("appointment", "date"), ("deadline", "date"), ("time", "time"), ("slot", "time"), ("fee", "money"),
    ("price", "money"), ("cost", "money"), ("budget", "money"), ("allowance", "money"), ("company", "company"),
    ("supplier", "company"), ("shop", "company"), ("firm", "company"), ("address", "address"),
    ("site", "address"), ("phone", "phone"), ("hotline", "phone"), ("manager", "person"),
    ("engineer", "person"), ("inspector", "person"), ("officer", "person"), ("contact", "person"),
    ("owner", "person"), ("assistant", "person"), ("period", "duration"), ("warranty", "duration"),
    ("limit", "money"), ("model", "product"), ("type", "product"), ("weight", "measure"), ("length", "measure"),
    ("count", "count"), ("town", "town"), ("office", "town"), ("share", "percent"), ("rate", "percent"),
    ("status", "status"), ("colour", "colour"), ("name", "title"), ("e-mail", "email"), ("room", "room"),
)  # fmt: skip
"""Heads of compound attributes and the kind of their values ("calibration" + "fee")."""
ROLES: Final = tuple(
    """mechanic fitter plumber builder engineer cashier courier gardener translator instructor notary roofer
    painter glazier locksmith vet coach judge editor head deputy trainee carpenter mason tailor
    conductor pilot captain steward librarian curator pharmacist optician midwife paramedic firefighter
    inspector broker auditor treasurer secretary chairwoman referee goalkeeper neighbour colleague
    supervisor duty-manager owner founder successor interpreter guard cleaner""".split()
)

SENTENCES: Final[dict[str, tuple[str, ...]]] = {
    "claim number": ("I'm calling about {v}.", "The claim is {v}.", "It's filed under {v}."),
    "policy number": ("I'm insured under {v}.", "My policy is {v}."),
    "loss date": ("It happened on {v}.", "The loss occurred on {v}.", "The accident was on {v}."),
    "accident date": (
        "It happened on {v}.",
        "The crash happened on {v}.",
        "The accident took place on {v}.",
    ),
    "deductible": ("You have to pay the first {v} yourself.", "The first {v} are yours to pay."),
    "repair shop": (
        "The car is at {v} now.",
        "I took it to {v}.",
        "{v} will do the repair.",
        "They towed it to {v}.",
    ),
    "garage": ("I left the car at {v}.", "{v} is fixing the car."),
    "adjuster": ("{v} will handle your claim.", "{v} is assigned to look at it."),
    "claims handler": ("{v} is looking after your file.",),
    "witness": ("{v} saw everything.", "{v} saw the accident.", "{v} watched it happen."),
    "driver": ("{v} was at the wheel.", "{v} was driving."),
    "hospital": ("I was taken to {v}.", "They treated me at {v}.", "She was brought to {v}."),
    "damage": ("It has a {v}.", "What I see is a {v}.", "We found a {v}."),
    "injury": ("I suffered a {v}.", "The doctor diagnosed a {v}."),
    "cause of loss": ("It was caused by {v}.", "The damage came from {v}."),
    "vehicle": ("I drive a {v}.", "It's a {v}."),
    "plate": ("The car is registered as {v}.", "It has the plates {v}."),
    "payout amount": ("We will pay you {v}.", "You will receive {v}.", "We can pay out {v}."),
    "repair cost": ("The repair will cost {v}.", "Fixing it costs {v}."),
    "repair estimate": ("They want {v} for the repair.", "The garage quoted {v}."),
    "coverage limit": ("You are covered up to {v}.", "We cover at most {v}."),
    "deadline": (
        "We need it by {v}.",
        "Please send it no later than {v}.",
        "It has to be in by {v}.",
    ),
    "inspection date": ("The surveyor comes on {v}.", "We will inspect it on {v}."),
    "inspection time": ("He will be there at {v}.", "The inspection starts at {v}."),
    "phone number": ("You can reach me at {v}.", "Call me on {v}.", "Their number is {v}."),
    "mobile number": ("My mobile is {v}.", "Text me at {v}."),
    "e-mail address": ("You can write to me at {v}.", "Send it to {v}.", "My e-mail is {v}."),
    "address": ("I live at {v}.", "We are at {v}.", "It is located at {v}."),
    "home address": ("I live at {v}.", "My home is at {v}."),
    "IBAN": ("Please transfer it to {v}.", "My account is {v}."),
    "premium": ("You pay {v} a year.", "It costs {v} a month."),
    "mileage": ("It has done {v}.",),
    "rental car": ("I got a {v} as a replacement.", "They gave me a {v} for the time being."),
    "place of the accident": (
        "It happened at {v}.",
        "It was at {v}.",
        "It was in {v}.",
        "It happened in {v}.",
        "We crashed in {v}.",
    ),
    "status": ("It is now {v}.", "I have set it to {v}."),
    "liability share": ("The other party bears {v}.",),
    "destination": ("I want to go to {v}.", "We are travelling to {v}.", "Get me to {v}."),
    "departure city": ("I'm leaving from {v}.", "We start in {v}."),
    "departure date": ("I want to leave on {v}.", "We depart on {v}.", "I fly out on {v}."),
    "return date": ("I come back on {v}.", "We return on {v}."),
    "departure time": ("It leaves at {v}.", "The train departs at {v}."),
    "arrival time": ("You arrive at {v}.", "It gets in at {v}."),
    "check-in date": ("I will arrive on {v}.", "I check in on {v}."),
    "check-out date": ("I stay until {v}.", "I check out on {v}."),
    "hotel": ("I'm staying at {v}.", "{v} is a good hotel.", "I found {v} for you."),
    "fare": ("A ticket costs {v}.", "The ride will be {v}."),
    "flight number": ("You are on {v}.", "I'm flying with {v}."),
    "airline": ("I'm flying with {v}.", "It is operated by {v}."),
    "party size": ("We are {v} people.", "A table for {v}, please.", "There will be {v} of us."),
    "number of guests": ("We will be {v} guests.", "It's for {v} people."),
    "number of tickets": ("I need {v} tickets.", "Please buy {v} tickets."),
    "restaurant": ("How about {v}?", "I'd like to eat at {v}.", "{v} is a nice place."),
    "cuisine": ("I'd like some {v} food.", "They serve {v} food."),
    "time": ("Let's say {v}.", "It starts at {v}.", "I'd like it at {v}."),
    "date": ("Let's do it on {v}.", "It will be on {v}.", "I'd like to book it for {v}."),
    "city": ("I'm looking in {v}.", "Please search in {v}.", "It is in {v}."),
    "room": ("We meet in {v}.", "It takes place in {v}."),
    "start time": ("We begin at {v}.", "It starts at {v}."),
    "end time": ("We finish at {v}.", "It ends at {v}."),
    "organiser": ("{v} is organising it.", "{v} set it up."),
    "speaker": ("{v} will give the talk.", "{v} is going to speak."),
    "duration": ("It takes {v}.", "It will last {v}."),
    "salary": ("You will earn {v}.", "We offer you {v}."),
    "start date": ("You start on {v}.", "I begin on {v}."),
    "department": ("I work in {v}.", "You will join {v}."),
    "job title": ("I work as a {v}.", "She is a {v}."),
    "manager": ("I report to {v}.", "{v} is my boss."),
    "notice period": ("I have to give {v} notice.",),
    "operating system": ("It runs {v}.",),
    "version": ("We are on {v}.", "It was updated to {v}."),
    "technician": ("{v} will come by.", "I'm sending {v}."),
    "serial number": ("The sticker says {v}.",),
    "carrier": ("It ships with {v}.", "{v} will deliver it."),
    "delivery date": ("It will be delivered on {v}.", "It arrives on {v}."),
    "weight": ("It weighs {v}.",),
    "contents": ("It contains {v}.",),
    "recipient": ("It goes to {v}.", "Please send it to {v}."),
    "rent": ("It costs {v} a month.", "They ask {v} a month."),
    "pet": ("I have a {v}.", "We own a {v}."),
    "landlord": ("We rent from {v}.",),
    "doctor": ("I'm seeing {v}.", "{v} will see you."),
    "appointment date": ("You can come on {v}.", "Please come in on {v}."),
    "appointment time": ("I have a slot at {v}.", "Come at {v}."),
    "medicine": ("I take {v}.", "She was given {v}."),
    "allergy": ("I'm allergic to {v}.",),
    "movie": ("I want to see {v}.", "How about {v}?", "{v} is on tonight."),
    "song": ("Please play {v}.", "I recommend {v}."),
    "album": ("It's from {v}.", "It is on the album {v}."),
    "artist": ("It is by {v}.", "{v} sings it."),
    "director": ("{v} directed it.", "It was made by {v}."),
    "venue": ("It takes place at {v}.", "It's at {v}."),
    "event name": ("I'd recommend {v}.", "{v} is on that day.", "How about {v}?"),
    "show time": ("It plays at {v}.",),
    "ticket price": ("One ticket costs {v}.", "It's {v} a ticket."),
    "amount": ("Please send {v}.", "I want to transfer {v}."),
    "balance": ("You have {v} left.", "Your account holds {v}."),
    "interest rate": ("You pay {v} interest.",),
    "home town": ("I grew up in {v}.", "I come from {v}."),
    "hobby": ("I love {v}.", "I spend my weekends with {v}."),
    "favourite dish": ("I could eat {v} every day.",),
    "employer": ("I work for {v}.", "I'm employed at {v}."),
    "instrument": ("I play the {v}.",),
    "native language": ("I grew up speaking {v}.",),
    "university": ("I studied at {v}.", "She went to {v}."),
    "major": ("I studied {v}.",),
}
"""Sentences that tell an attribute without naming it, some of them of several attributes."""

_TEMPLATES: Final = [sentence for several in SENTENCES.values() for sentence in several]
CLEAR_SENTENCES: Final[dict[str, tuple[str, ...]]] = {
    attribute: clear
    for attribute, several in SENTENCES.items()
    if (clear := tuple(each for each in several if _TEMPLATES.count(each) == 1))
}
"""Those that can mean one attribute only, so that they need no question before them."""

QUESTIONS: Final[dict[str, tuple[str, ...]]] = {
    "loss date": ("When did the loss of {s} happen?", "On which day did the damage in {s} occur?"),
    "accident date": ("When did the accident of {s} happen?",),
    "repair date": ("When will {s} be repaired?", "When is the repair in {s}?"),
    "place of the accident": ("Where did the accident in {s} happen?", "Where did {s} happen?"),
    "place of damage": ("Where did the damage in {s} occur?",),
    "accident location": ("Where was the accident in {s}?",),
    "price": ("How much did {s} cost?", "What did {s} cost?"),
    "settlement amount": ("How much is paid to settle {s}?",),
    "other driver": ("Who drove the other car in {s}?", "Who is the other driver in {s}?"),
    "repair shop": (
        "Which repair shop is fixing the car of {s}?",
        "Where is the car of {s} repaired?",
    ),
    "garage": ("Which garage has the car of {s}?", "Where is the vehicle of {s} being repaired?"),
    "adjuster": ("Who is the adjuster for {s}?", "Who handles {s}?"),
    "witness": ("Who saw what happened in {s}?", "Who is the witness in {s}?"),
    "payout amount": ("How much will be paid out for {s}?", "What amount is paid on {s}?"),
    "repair cost": ("How much does the repair cost in {s}?",),
    "deadline": ("By when must {s} be done?", "Until when can {s} be handed in?"),
    "inspection date": ("When is the inspection for {s}?", "When will {s} be inspected?"),
    "vehicle": ("What car is involved in {s}?", "Which vehicle does {s} concern?"),
    "phone number": ("What number can I call for {s}?", "How can I phone {s}?"),
    "e-mail address": ("Where can I write to {s}?", "What is the e-mail of {s}?"),
    "address": ("Where does {s} live?", "Where is {s} located?"),
    "damage": ("What was damaged in {s}?", "What kind of damage does {s} report?"),
    "hospital": ("Which hospital treated {s}?", "Where was {s} treated?"),
    "policy number": ("What policy does {s} belong to?", "Which policy is {s} under?"),
    "deductible": ("How much must be paid by the customer first in {s}?",),
    "coverage limit": ("Up to what amount is {s} covered?",),
    "status": ("What state is {s} in?", "How does {s} stand?"),
    "destination": ("Where does {s} go?",),
    "departure date": ("When does {s} leave?",),
    "manager": ("Who manages {s}?", "Who does {s} report to?"),
    "department": ("Which department does {s} work in?", "Where does {s} work?"),
    "salary": ("How much does {s} earn?",),
    "start date": ("When does {s} start?",),
    "carrier": ("Who delivers {s}?",),
    "delivery date": ("When will {s} be delivered?",),
    "hobby": ("What does {s} like to do?",),
    "room": ("In which room is {s}?", "Where does {s} take place?"),
    "organiser": ("Who organises {s}?",),
    "date": ("When is {s}?", "On what day is {s}?"),
    "time": ("At what time is {s}?",),
    "party size": ("How many people is {s} for?",),
    "number of guests": ("How many guests are in {s}?",),
    "IBAN": ("Which account should be used for {s}?",),
}
"""Questions that ask for an attribute in other words."""
