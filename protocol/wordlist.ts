/**
 * The 2,048 words of fingerprints: common lower-case English words of 3 to 8 letters, no two with the same first
 * four letters, so that a word half heard or cut short is still that word. The order is part of the protocol: moving a word changes the fingerprint of every key.
 */
export const wordlist: readonly string[] = `
able absorb accent acorn across action actor adapt adobe advice aerial afloat after agenda agile aglow ahead aim
airport alarm album alcove alder alert algae alive almanac almond aloe aloft alpaca alphabet alpine amber amble amount
ample anchor angle animal ankle answer ant antenna antique antler anvil apple april apron aqua arbor arcade arch
arctic arena argue arm armchair armor aroma around arrange arrival arrow artist ash ashore aside asleep aspen asphalt
asset aster athlete atlas atom attic auburn august author autumn avenue average avocado awake award awning axis axle
azure baby backpack bacon badge bag bagel bake balance balcony ball balm balsam bamboo banana band banjo bank banner
barge bark barley barn baron barrel barter basalt basic basket bath baton bay bazaar beacon bead beagle beaker beam
bean beaver bed bee beech beehive beet begin beige believe bell below belt bench berry best better bicycle big bike
billow bingo birch bird biscuit bishop bison blanket blaze blend blimp blink blizzard block blog bloom blossom blouse
blue bluff board boat bobbin body bold bolt bonfire bongo bonnet bonus book boot border boss botany bottle boulder
bounce bouquet bowl box bracelet braid bramble branch brass brave bread breeze brick bridge brief bright brim bring
brisk broad broccoli bronze brook broth brown brush bubble bucket budget buffalo bugle build bulb bumper bundle
bungalow bunny buoy burrow bus bush business bustle busy butter buzz cabbage cabin cable cactus cafe calendar calf
calm camel camp canal candy canoe canteen canvas canyon cape capital captain car caramel carbon card cargo caribou
carnival carpet carry cart carve cascade cashew castle casual catalog catch cattle cause cavern cedar ceiling celery
cell cement center ceramic certain chair chalk chamber chance chapel charm chat check cheddar cheek chef cherry chess
chicken chief chili chimney chin chipmunk choir chorus cider cinema cinnamon circle citizen citrus city clam clap
clarinet class clay clean clerk clever cliff climb cloak clock close cloth cloud clover clown club clue coach coast
cobalt cobble cockatoo cocoa coffee coil coin collar color colt column comb comet comfort comic common compass concert
condor cone contact cook copper copy coral cord core cosmos costume cotton couch cougar count couple course cousin
cove cowboy coyote cozy crab cradle craft crane crate crayon cream creek crest crew cricket crimson crisp crocus crop
cross crow cruise crumb crunch crust crystal cube cuckoo cucumber cup cupboard curious curl curry curtain curve
cushion custom cycle cymbal cypress dad daffodil dairy daisy dance dapper dash data date daughter dawn day daylight
dazzle deal decade decide deck deep deer degree delight delta den denim dense dentist depend depot depth derby desert
design desk dessert detail develop dewdrop dial diamond diary dice diesel dig digit dill dingo dinner dinosaur diploma
direct dish distance ditch diver divide dock doctor dog doll dolphin domain dome domino donkey donor door dot double
dough dove down dozen draft dragon drama draw dream dress drift drink drive drizzle drop drum dry duck duet dugout
dune duplex dusk dust duty dwell dynamo eager eagle early earn earth easel easy eat echo eclipse edge edit eel effort
egg eggplant egret eight elastic elbow elder electric elegant element elephant elevator elf elk elm ember emblem
emerald emu enamel encore endless endure energy engine enjoy ensemble enter entire entry envelope equal errand escape
espresso essay estate estuary event exact example exit expand expert explain express extra eye eyebrow fabric face
fact fade fair faith falcon fall family fan fancy farm fashion fast father faucet favor fawn feast feather february
fellow felt fence fennel fern ferry festival fetch fiber fiction fiddle field fig figure file filter final finch find
finger finish fire first fish fit five fix flag flame flannel flash flat flavor flax fleet flicker flight flint flip
float flock flood flora flow fluff fluid flute fly foam focus fog foil folk follow fond foot forest forge fork fort
forum forward fossil found four fox foyer fragile frame freckle free freight fresh friday friend fringe frog front
frost frozen fruit fudge full funnel furnace future fuzzy gadget galaxy gallop game garage garden garlic garment
garnet gate gather gazebo gear gecko gem general gentle genuine geology gerbil geyser giant gift giggle ginger giraffe
give glacier glad glance glass gleam glen glide glimpse glitter globe glory glove glow glue goal goat goggles golf
gondola good goose gopher gourd grace grade grain grammar grand grape grass gravy gray great green grid grill grin
grocer groove group grove grow guard guava guess guide guitar gull gumdrop guppy gust gym habit haddock half halo halt
hamlet hammer hamster hand hangar happy harbor hare harmony harness harp harvest hat hatch haven hawk hay hazel head
health heap heart heath heavy hedge heel height helium hello helmet help hemlock hen herald herb herd hero herring
hickory hide high hike hill hinge hint hippo history hive hobby hockey hold holiday holly home honey hook hoop hope
horizon horn horse hostel hotel house hover how hub huddle hug human humble humid humor hundred hunger hurry husky
hyacinth hydrant hymn iceberg icicle icing icon ideal iguana image impala improve inch include income index indigo
indoor inform inkwell inland inlet inn inner input insect inside inspire invent invite iris iron island item ivory ivy
jacket jade jaguar jam january jar jasmine javelin jaw jazz jeans jelly jersey jewel jigsaw jingle job jockey jog join
joke jolly journal joy judge juggle juice july jumbo jump june jungle junior jury kale kangaroo karate kayak keen keep
kennel kernel kestrel ketchup kettle key keyboard kick kidney kimono kind king kiosk kitchen kite kitten kiwi knee
knight knit knob knock know koala kumquat label labor ladder ladle lady lagoon lamb lamp lance lane language lantern
lapel large lark lasso last latin laugh laundry laurel lava lavender lawn lawyer layer leader leaf league learn
leather leave lecture ledge leek left legend lemon lend length lens lentil leopard lesson letter level liberty library
lichen life light lilac lily lime limit link lion lip liquid list little lizard llama load loaf lobby lobster local
locust lodge loft logic lollipop lone long look loop loose lotion lotus loud lounge loyal lucky luggage lullaby lumber
lunar lunch lupine lute lynx lyric macaw machine magenta magic magnet magpie mahogany mail main major make mallet
mammal manatee mandolin mango manor mansion mantle manual maple marathon marble march margin marina market marmot
maroon marsh marvel mascot mask mason mast match matter mauve maximum mayor maze meadow mean measure medal medium
melon member memory mention menu mercury merge merit merry mesa message metal meteor method metro middle midnight mild
milk mill mime mimosa mind mineral minnow mint minute miracle mirror mist mitten mixture moat mobile moccasin modern
module mohair moment monarch monday money mongoose monitor monsoon month moon moose mop morning mosaic mosquito moss
motel moth motion motor mountain mouse mouth move movie mud muffin mug mulberry mule museum mushroom music muslin
mustang myrtle mystery nacho name nap napkin narrow narwhal nation nature nautical navy near neat neck nectar needle
neighbor neon nephew neptune nettle network new news next nibble nice nickel niece nimble nine noble nobody nod noise
nomad noodle noon normal north nose notable notebook nothing notice noun novel number nurse nutmeg nylon oak oar oasis
oatmeal oats object oboe observe ocean ocelot octagon october offer office often okra old olive omelet onion online
onyx opal open opera opinion opossum option oracle orange orbit orchid order oregano organ orient origami oriole
osprey ostrich otter ounce outdoor outfit outline outside oval oven over owl owner oxygen oyster ozone pack paddle
page pagoda paint pajamas palace palette palm panama pancake panda panel panorama pantry papaya paper paprika parade
parcel parent park parlor parrot parsley part passage path patio patrol pattern pavement pea peace peak peanut pebble
pecan peek pelican pen pencil pendant penguin penny people pepper perch perfect period person petunia pewter pheasant
phone photo phrase piano piccolo pick picnic picture pier pigeon pigment pilgrim pillar pilot pine pink pioneer pipe
pirate pitcher pizza place plaid plan plastic plate play plaza please plenty plot plow plum plural plus pocket poem
poet point polar pole polite polka pollen polo poncho pond pony pool popcorn poplar poppy popular porch porridge
portal possible post pot potato pottery pouch poultry powder power praise prepare press pretty price pride prime print
prism private prize problem produce program project promise proof proper proud provide public puddle puffin pull pulp
pulse puma pump pupil puppy pure purple purse push puzzle pyramid python quail quality quantity quart queen query
quest quick quiet quill quince quite quiver quiz quota rabbit raccoon race racket radar radio raft rail rain raise
rally ranch random range rapid rare rattle raven ravine ray reach ready real reason receipt recipe record red redwood
reed reef reflect refuge region regular reindeer relax relief remark remember remind remote rent repair repeat reply
report rescue resort respect result retire return reunion reveal review reward rhubarb rhyme rhythm ribbon rich riddle
ridge ring ripple rise river roast robin robot rock rodeo roman romp roof room rooster rope rose rotate round route
rover row royal rubber ruby rudder rug rugby ruler rumble run runway rural rustic rye sable sack saddle safari safe
saffron saga salad salmon salon salt sample sapphire sardine satchel satin saturn saucer sauna sausage savanna save
saw scale scarf scene school science scissors scooter score scout scrap screen script scroll sculptor seagull seal
search season seat second secret section select self senate send senior sense sentence sequoia serene series serve
sesame session set settle seven sew shade shake shallot shape shed sheep shelf sherbet shield shift shine ship shirt
shoe shop shore shoulder shovel show shrimp shrub shutter siesta sight sign silent silk silver simple siren sister sit
six size skate sketch ski skill skirt sky skylark slate sled sleep sleigh slice slide slipper slope small smart smile
smoke smooth snack snail snap sneaker snow soap soccer social sock soda sofa soft soil solar soldier solid solo
solstice solution solve sonata song sonnet soon soprano sorbet sort soul sound soup source south souvenir space
spaniel spare speak special speed spell sphere spice spider spinach spiral splash sponge spoon sport spot spray spread
spring sprout spruce squad squid stable stack stadium staff stage stamp stand staple star state stay steam steel stem
step stereo stew stick stingray stir stitch stock stone stool stop store stove straw stream string strong study style
subway sudden suede sugar suggest suit sum summer sun sunbeam sunday sunny sunrise sunset super supper surf surprise
survey swallow swan swap sweater sweep swift swim swing switch symbol symphony syrup system table taco tadpole taffy
tail take talent talk tambour tandem tango tank tape target tart task taste tavern taxi tea teach teak teapot telegram
tell temper tennis tent term terrace text thank theater theme theory thermos thicket thimble third thistle thought
three thumb thunder thursday thyme tiara ticket tidy tiger tile timber time timid tinsel tiny tissue titanium title
toast today toddler toga token tomato tomorrow ton tonic tool tooth top topaz topic torch tortoise total touch tour
towel town toy track trade traffic trail transfer trapeze travel tray treat tree trellis trend triangle tribe trick
trim trio trip triumph trolley trombone trophy trout truck true truffle trumpet trunk trust truth try tub tuba tuesday
tugboat tulip tumble tuna tundra tune tunic tunnel turban turkey turn turtle tuxedo twelve twenty twice twig twilight
twin twirl twist two typhoon ukulele umbrella umpire uncle unicorn uniform union unique unit universe update upland
upper upright upstream uptown urban urchin useful usher utensil vacation vacuum valley value van vanilla vapor variety
varnish vase vault velvet vendor venture venue veranda verb verse vessel vest veteran viaduct vibrant victory video
view village vine vintage vinyl viola visit visual vital vivid vocal voice volcano volley volume voucher vowel voyage
waffle wagon waist walk wall walnut walrus waltz wand warbler wardrobe warm wash watch water wave wax weave wedding
week welcome west wetland whale wharf wheat wheel whisker white wicker wide widget wild willow wing winner winter wire
wisdom wise wish wisteria witness wizard wolf wombat wonder wood wool word work world worthy wrap wreath wren wrist
yacht yak yam yard yarn year yeast yellow yes yodel yoga yogurt yonder young youth yucca zebra zenith zephyr zero zest
zigzag zinc zinnia zip zipper zither zone zoo zoology zoom zucchini
`
  .trim()
  .split(/\s+/)
