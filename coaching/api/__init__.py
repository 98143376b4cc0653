"""The API's part about coaching: athletes, library, what is shared, what was done."""

from ninja import Router

from coaching.api.athletes import router as athletes
from coaching.api.library import router as library
from coaching.api.sharing import router as sharing
from coaching.api.training import router as training

router = Router()
for part in (athletes, library, sharing, training):
    router.add_router("", part)
